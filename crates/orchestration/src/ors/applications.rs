//! The tenants' applications, read from config (voice-34), checked once and cached by version.

mod kept;

use std::sync::{Arc, Mutex, PoisonError};

use contracts::provisioning::{self, ApplicationOptions};
use http::{HeaderValue, StatusCode, header};
use infra::Clock;
use model::TenantId;
use scxml::{Document, Limits};

use super::path::segment;
use super::vocabulary::DIALECT;
use crate::ecmascript::{ScriptLimits, SyntaxChecker};
use kept::Kept;

/// An application, ready to run.
pub(super) struct Application {
    /// The document.
    pub document: Arc<Document>,
    /// A digest of its text.
    pub digest: u64,
    /// Its options, which its sessions look up.
    pub options: Arc<ApplicationOptions>,
    /// The version that config gave it.
    version: Option<HeaderValue>,
}

/// Why a call's application cannot run.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadFailure {
    /// Config did not return it.
    #[error("config did not answer with the application")]
    Config(#[source] net::http::CallError),
    /// Config's answer is not an application.
    #[error("config's answer is no application")]
    Shape(#[source] serde_json::Error),
    /// The document has faults.
    #[error("the document has faults")]
    Document(#[source] scxml::LoadError),
    /// The document requires another data model.
    #[error("the data model must be ecmascript")]
    Datamodel,
    /// The check was not completed.
    #[error("the check was given up")]
    Check,
}

/// The applications of all tenants.
pub(super) struct Applications {
    config: net::http::Client,
    clock: Arc<dyn Clock>,
    limits: ScriptLimits,
    kept: Mutex<Kept>,
}

impl Applications {
    pub fn new(config: net::http::Client, clock: Arc<dyn Clock>, limits: ScriptLimits) -> Self {
        Self { config, clock, limits, kept: Mutex::default() }
    }

    /// The current version of the named application.
    ///
    /// # Errors
    /// While config is unavailable, the cached version still runs.
    pub async fn load(&self, tenant: &TenantId, name: &str) -> Result<Arc<Application>, LoadFailure> {
        let key = (tenant.clone(), name.to_owned());
        let known = self.lock().get(&key);
        let path = format!("/tenants/{tenant}/applications/{}", segment(name));
        let mut call = self.config.get(&path).idempotent();
        if let Some(version) = known.as_ref().and_then(|k| k.version.clone()) {
            call = call.header(header::IF_NONE_MATCH, version);
        }
        let answer = match (call.send_any().await, &known) {
            (Ok(answer), Some(known)) if answer.status == StatusCode::NOT_MODIFIED => return Ok(Arc::clone(known)),
            (Ok(answer), _) if answer.status.is_success() => answer,
            (Ok(answer), _) => return Err(LoadFailure::Config(net::http::CallError::Refused(answer.problem()))),
            (Err(error), Some(known)) => {
                tracing::warn!(%tenant, application = name, %error, "config is away: the known version runs");
                return Ok(Arc::clone(known));
            }
            (Err(error), None) => return Err(LoadFailure::Config(error)),
        };
        let version = answer.headers.get(header::ETAG).cloned();
        let object: provisioning::Application = serde_json::from_slice(&answer.body).map_err(LoadFailure::Shape)?;
        let options = Arc::new(object.options);
        // The version covers the whole configuration: the document is often unchanged.
        let application = match known.filter(|known| known.digest == digest(&object.document)) {
            Some(known) => {
                Application { document: Arc::clone(&known.document), digest: known.digest, options, version }
            }
            None => Application { options, ..self.check(object.document, version).await? },
        };
        let application = Arc::new(application);
        self.lock().keep(key, Arc::clone(&application));
        Ok(application)
    }

    /// An application without its options. Parsing and compiling take a while: not on a thread that serves calls.
    async fn check(&self, text: String, version: Option<HeaderValue>) -> Result<Application, LoadFailure> {
        let (clock, limits) = (Arc::clone(&self.clock), self.limits);
        let checked = tokio::task::spawn_blocking(move || {
            let document = load_document(&text, clock, limits)?;
            let (document, digest) = (Arc::new(document), digest(&text));
            Ok(Application { document, digest, options: Arc::default(), version })
        });
        checked.await.map_err(|_| LoadFailure::Check)?
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // The map is consistent after every statement, so a panic elsewhere leaves it usable.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Application {
    /// A document without a version of config.
    pub fn of(document: Document, digest: u64) -> Self {
        Self { document: Arc::new(document), digest, options: Arc::default(), version: None }
    }
}

/// Loads a document of the dialect and checks its expressions.
pub(super) fn load_document(text: &str, clock: Arc<dyn Clock>, limits: ScriptLimits) -> Result<Document, LoadFailure> {
    let mut checker = SyntaxChecker::new(limits, clock).map_err(|_| LoadFailure::Check)?;
    let mut check = |syntax, text: &str| checker.check(syntax, text);
    let document =
        Document::load(text, &DIALECT, Limits::default(), Some(&mut check)).map_err(LoadFailure::Document)?;
    if document.datamodel() == "ecmascript" { Ok(document) } else { Err(LoadFailure::Datamodel) }
}

/// The faults of an application's document, each with its line; empty if it can run.
pub fn faults(text: &str, clock: Arc<dyn Clock>) -> Vec<String> {
    match load_document(text, clock, ScriptLimits::default()) {
        Ok(_) => Vec::new(),
        Err(LoadFailure::Document(error)) => error.faults.iter().map(ToString::to_string).collect(),
        Err(other) => vec![other.to_string()],
    }
}

/// The groups of agents that an application's document names as they are written (`name="'Day team'"`), each with its line.
pub fn named_groups(text: &str) -> Vec<(u32, String)> {
    let Ok(document) = Document::load(text, &DIALECT, Limits::default(), None) else { return Vec::new() };
    let names = document.attributes("queue", "target", "name").into_iter();
    let mut named: Vec<(u32, String)> =
        names.filter_map(|name| Some((name.line, literal(&name.text)?.to_owned()))).collect();
    named.sort();
    named.dedup();
    named
}

/// The text of an expression that is a text alone, without escapes.
fn literal(expression: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| {
        let text = expression.trim().strip_prefix(quote)?.strip_suffix(quote)?;
        (!text.contains([quote, '\\'])).then_some(text)
    })
}

/// FNV-1a: distinguishes texts, with the same result in every version of this program.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_wherever_they_are_named_as_they_are_written() {
        let target = |name: &str| {
            format!(
                "<queue:submit requestid='r'><queue:targets><queue:target name=\"{name}\"/></queue:targets></queue:submit>\n"
            )
        };
        let text = format!(
            "<scxml version='1.0' datamodel='ecmascript' xmlns:queue='urn:trunkline:queue'><datamodel><data id='r'/></datamodel><state>\n\
             <onentry>{}<if cond='true'>{}</if></onentry><transition event='e'>{}{}{}</transition></state></scxml>",
            target("'Day team'"),
            target(" &quot;O'Brien&quot; "),
            target("'Night team'"),
            target("'Team ' + number"),
            target("'it\\'s'"),
        );
        let named = named_groups(&text);
        let expected = [(2, "Day team"), (3, "O'Brien"), (4, "Night team")];
        assert_eq!(named, expected.map(|(line, name)| (line, name.to_owned())));
        assert!(named_groups("<scxml").is_empty(), "it is no document");
    }
}
