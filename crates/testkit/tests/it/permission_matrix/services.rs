//! The methods of the gRPC services, called without knowing their messages.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use contracts::v1;
use prost::Message as _;
use prost::bytes::{Buf as _, BufMut as _};
use testkit::facts::{bearing, connect, runtime};
use testkit::{Installation, wait};
use tokio::runtime::Runtime;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::bearers::Bearer;
use super::{Due, NOWHERE, OTHER};
use crate::sign_in::forgeries::claims;

const PATIENCE: Duration = Duration::from_secs(45);
const SOON: Duration = Duration::from_secs(45);

pub struct MethodRow {
    service: &'static str,
    pub method: &'static str,
    pub at: &'static str,
    api: &'static str,
    pub needs: &'static str,
    is_of_tenant: bool,
    /// The code for whom folders limit.
    limited: &'static str,
}

pub fn rows() -> Result<Vec<MethodRow>> {
    let row = |[service, method, at, api, needs, tenant, limited]: [&'static str; 7]| MethodRow {
        service,
        method,
        at,
        api,
        needs,
        is_of_tenant: tenant == "named",
        limited,
    };
    Ok(super::rows(include_str!("grpc.tsv"))?.into_iter().map(row).collect())
}

/// The methods of all services, as `Service/Method`.
fn declared() -> Result<BTreeSet<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/trunkline/v1");
    let mut declared = BTreeSet::new();
    for file in std::fs::read_dir(folder)? {
        let mut service = String::new();
        for line in std::fs::read_to_string(file?.path())?.lines() {
            let name = |rest: &str| rest.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
            if let Some(rest) = line.strip_prefix("service ") {
                service = name(rest);
            } else if let Some(rest) = line.trim_start().strip_prefix("rpc ") {
                declared.insert(format!("{service}/{}", name(rest)));
            }
        }
    }
    Ok(declared)
}

/// The methods without a row, and the rows without a method.
pub fn undeclared() -> Result<Vec<String>> {
    let known: BTreeSet<String> = rows()?.iter().map(|row| format!("{}/{}", row.service, row.method)).collect();
    let declared = declared()?;
    let new = declared.difference(&known).map(|method| {
        let place = "permission_matrix/grpc.tsv, with the role and the port that serve it";
        format!("{method} is in proto/, and nothing says who may: add a row to {place}")
    });
    let gone = known
        .difference(&declared)
        .map(|method| format!("{method} is not in proto/: take its row out of permission_matrix/grpc.tsv"));
    Ok(new.chain(gone).collect())
}

/// Messages as bytes.
#[derive(Clone, Copy)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; from.remaining()];
        from.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}

/// Code and words of an answer.
pub type MethodAnswer = (Code, String);

/// Calls once, as if the answers were a stream: how they begin says enough.
async fn call(
    channel: Channel,
    row: &MethodRow,
    message: Vec<u8>,
    token: Option<&str>,
    tenant: &str,
) -> Result<MethodAnswer> {
    let mut request = match token {
        Some(token) => bearing(message, token)?,
        None => tonic::Request::new(message),
    };
    request.metadata_mut().insert("trunkline-tenant", tenant.parse()?);
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let path = PathAndQuery::try_from(format!("/trunkline.v1.{}/{}", row.service, row.method))?;
    let answered = tokio::time::timeout(PATIENCE, client.server_streaming(request, path, Bytes)).await?;
    Ok(answered.map_or_else(|status| (status.code(), status.message().to_owned()), |_| (Code::Ok, String::new())))
}

/// Where a row is served.
fn place(site: &Installation, row: &MethodRow) -> Result<SocketAddr> {
    let (role, port) = row.at.split_once(':').with_context(|| format!("no port: {}", row.at))?;
    Ok(SocketAddr::new(site.admin(role)?.ip(), port.parse()?))
}

/// What is sent: a request of the agent's own DN where it decides who may, else an empty message.
fn message(site: &Installation, row: &MethodRow, token: Option<&str>) -> Vec<u8> {
    if row.method != "Ask" {
        return Vec::new();
    }
    let tied = token.and_then(|token| Some(claims(token).ok()?["dn"].as_str()?.to_owned()));
    let of_demo = || site.demo.users.iter().find_map(|user| user.dn.clone());
    let this_dn = tied.or_else(of_demo).unwrap_or_default();
    let kind = Some(v1::request::Kind::AgentLogout(v1::Nothing {}));
    let request = v1::Request { this_dn, reference: 7, kind, ..v1::Request::default() };
    v1::AskRequest { request: Some(request) }.encode_to_vec()
}

/// Calls until what is busy for a moment has answered.
fn settled(
    site: &Installation,
    (runtime, channel): (&Runtime, &Channel),
    row: &MethodRow,
    token: Option<&str>,
    tenant: &str,
) -> Result<MethodAnswer> {
    wait::until(SOON, || {
        let asked = call(channel.clone(), row, message(site, row, token), token, tenant);
        let answer = runtime.block_on(asked)?;
        let is_busy = matches!(answer.0, Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded);
        Ok((!is_busy).then_some(answer))
    })
}

/// How the method answers whoever shows this token and means the example.
pub fn answer(site: &Installation, row: &MethodRow, token: &str) -> Result<MethodAnswer> {
    let runtime = runtime()?;
    let channel = runtime.block_on(connect(place(site, row)?))?;
    settled(site, (&runtime, &channel), row, Some(token), "example")
        .with_context(|| format!("{}/{} at {}", row.service, row.method, row.at))
}

/// How a gRPC listener answers a method that there is not to whoever shows this token.
pub fn answer_to_nothing(place: SocketAddr, token: Option<&str>) -> Result<MethodAnswer> {
    let (service, method, needs) = ("Nothing", "Nothing", "any");
    let row = MethodRow { service, method, at: "", api: "-", needs, is_of_tenant: false, limited: "-" };
    let runtime = runtime()?;
    runtime.block_on(async { call(connect(place).await?, &row, Vec::new(), token, "example").await })
}

/// The cells of a bearer that are not as they must be.
pub fn wrong(site: &Installation, rows: &[MethodRow], bearer: &Bearer) -> Result<Vec<String>> {
    let runtime = runtime()?;
    let mut wrong = Vec::new();
    for row in rows {
        let channel = runtime.block_on(connect(place(site, row)?))?;
        let settled = |tenant: &str| {
            let answered = settled(site, (&runtime, &channel), row, bearer.token.as_deref(), tenant);
            answered.with_context(|| format!("{}/{} at {} by {}", row.service, row.method, row.at, bearer.name))
        };
        // As if there were no such tenant.
        let is_as_nowhere = |tenant: &str, (code, words): &MethodAnswer| {
            let is_refused = [Code::PermissionDenied, Code::NotFound].contains(code);
            anyhow::Ok(is_refused && (*code, words.replace(tenant, NOWHERE)) == settled(NOWHERE)?)
        };
        let answer = settled("example")?;
        let (code, words) = &answer;
        let due = Due::of(bearer, row.api, row.needs, row.is_of_tenant, row.limited);
        let is_right = match due {
            Due::Stranger | Due::Nobody => *code == Code::Unauthenticated,
            Due::Refusal => *code == Code::PermissionDenied,
            Due::AsNowhere => is_as_nowhere("example", &answer)?,
            Due::Answer => ![Code::Unauthenticated, Code::PermissionDenied, Code::Unimplemented].contains(code),
            Due::Limited(due) => due == format!("{code:?}"),
        };
        let of = format!("{}/{} at {}", row.service, row.method, row.at);
        if !is_right {
            wrong.push(format!("{}: {of} needs {}, {due:?} is due: {code:?} {words}", bearer.name, row.needs));
        }
        // What it may here it may nowhere else.
        if due == Due::Answer && row.is_of_tenant {
            let elsewhere = settled(OTHER)?;
            if !is_as_nowhere(OTHER, &elsewhere)? {
                wrong.push(format!("{}: {of} of {OTHER}: {elsewhere:?}", bearer.name));
            }
        }
    }
    Ok(wrong)
}
