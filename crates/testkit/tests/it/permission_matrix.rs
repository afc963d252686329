//! Who may do what: every path of the web edge and every gRPC method that is served, tried with every kind of bearer. What each must get
//! stands in tables, and what is served without a row there is a fault. What somebody may in one tenant is refused in another one as in one
//! that does not exist. Every listener of every role turns strangers away.

mod bearers;
mod listeners;
mod next_key;
mod published_sessions;
mod rest;
mod roles;
mod routers;
mod services;
mod sockets;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use testkit::caller::Caller;
use testkit::{Installation, Watch, wait};

use crate::conference::SOON;
use bearers::Bearer;
pub(crate) use rest::{DOCUMENTS, rows_without_document};
pub(crate) use routers::routes_of;

/// A tenant that there is not; its name is as long as that of the example.
const NOWHERE: &str = "nowhere";
/// Another tenant that there is.
const OTHER: &str = "globex";

/// What a bearer must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Nobody of the installation, or nobody to that API: it is told so, and nothing else.
    Stranger,
    /// No person, where people alone are told of themselves: 401, or 403 where that is the answer to a question.
    Nobody,
    /// Of another tenant: the same as for one that does not exist.
    AsNowhere,
    /// It lacks a scope.
    Refusal,
    /// It may.
    Answer,
    /// It may, but for folders that limit it: what a table says of that.
    Limited(&'static str),
}

impl Due {
    /// What is due to a bearer from a row. `limited` is what it says of those whom folders limit.
    fn of(bearer: &Bearer, api: &str, needs: &str, is_of_tenant: bool, limited: &'static str) -> Self {
        match bearer.tenant {
            _ if needs == "open" => Self::Answer,
            _ if needs == "person" && bearer.is_person() => Self::Answer,
            _ if needs == "person" => Self::Nobody,
            None => Self::Stranger,
            Some(_) if !bearer.is_for(api) => Self::Stranger,
            Some(tenant) if is_of_tenant && tenant != "example" => Self::AsNowhere,
            Some(_) if suffices(bearer, needs) && bearer.is_limited && limited != "-" => Self::Limited(limited),
            Some(_) if suffices(bearer, needs) => Self::Answer,
            Some(_) => Self::Refusal,
        }
    }
}

/// Whether a bearer has what a row needs.
fn suffices(bearer: &Bearer, needs: &str) -> bool {
    match needs {
        "any" => true,
        "never" => false,
        _ => needs.split('|').any(|together| together.split('+').all(|scope| bearer.has(scope))),
    }
}

/// The rows of a table: lines of cells, without comments and without the names of its columns.
fn rows<const N: usize>(table: &'static str) -> Result<Vec<[&'static str; N]>> {
    let lines = table.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            <[&str; N]>::try_from(cells).ok().with_context(|| format!("{N} cells are needed: {line:?}"))
        })
        .collect()
}

#[test]
fn whatever_is_served_has_a_row_that_says_who_may() -> Result<()> {
    let site = Installation::start()?;
    let wrong = [rest::undeclared(&site)?, services::undeclared()?].concat();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A scope that is misspelt in a row would let nobody in, and nobody would notice.
    let known: BTreeSet<String> = bearers::rows()?.iter().flat_map(|bearer| bearer.scopes.clone()).collect();
    let paths = rest::rows()?.into_iter().chain(rest::inside()?);
    let needs = paths.map(|row| row.needs).chain(services::rows()?.into_iter().map(|row| row.needs));
    let scopes: BTreeSet<&str> = needs.flat_map(|needs| needs.split(['|', '+'])).collect();
    let unknown = scopes
        .into_iter()
        .filter(|scope| !["any", "never", "open", "person", "follow"].contains(scope) && !known.contains(*scope));
    let unknown: Vec<&str> = unknown.collect();
    ensure!(unknown.is_empty(), "no bearer has {unknown:?}: who may is never tried");
    Ok(())
}

/// Of the published APIs whose sessions open by a cookie. Nobody is logged in, so that the call waits meanwhile.
#[test]
fn sessions_of_others_are_answered_as_if_there_were_nothing() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let bearers = bearers::all(&site)?;
    let of_globex = bearers::of_globex(&site, bearers::SUPERVISOR_OF_GLOBEX)?;
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let wrong = published_sessions::wrong(&site, &bearers, &of_globex, &watch)?;
    ensure!(wrong.is_empty(), "{} of the cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    caller.hang_up()?;
    caller.finish(SOON)?.1.expect_success()?;
    site.is_at_rest()
}

/// Meanwhile the next key is made that signs tokens: those of the bearers are by the one of before.
#[test]
fn every_bearer_gets_everywhere_what_the_tables_say() -> Result<()> {
    let site = Installation::start()?;
    let (mut paths, methods, bearers) = (rest::rows()?, services::rows()?, bearers::all(&site)?);
    paths.extend(rest::inside()?);
    let administrator = bearers.iter().find(|bearer| bearer.name == "administrator").context("no administrator")?;
    let by_two_keys = next_key::made(&site, administrator.token.as_deref().unwrap_or_default())?;
    let mut wrong = Vec::new();
    for bearer in &bearers {
        if bearer.name == "expired" {
            // It was issued before the others were tried, and for this API.
            let is_over =
                || Ok((rest::status(&site, "/agent-setup/api/v1/openapi.json", bearer)? == 401).then_some(()));
            wait::until(SOON, is_over).context("a token does not expire")?;
        }
        wrong.extend(rest::wrong(&site, &paths, bearer)?);
        wrong.extend(services::wrong(&site, &methods, bearer)?);
    }
    ensure!(wrong.is_empty(), "{} of the cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    next_key::are_good(&site, &by_two_keys)
}
