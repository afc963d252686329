//! What role auth tells a process that reads no files of others (own-15): the keys that verify tokens, and what was revoked. It is asked each
//! second, by HTTP; the process proves its role by an assertion, and auth proves itself by the key of its own role, whose public half the
//! process has in `keys/public/auth.json`. While auth is away, what was told last stays in force, over a restart of the process too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, StatusCode, header};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use infra::Clock;
use model::Timestamp;
use serde_json::json;
use tokio::sync::watch;

use super::believed_age::BelievedAge;
use super::followed;
use super::outage::Outage;
use super::revoked_file;
use crate::connections;
use crate::counted_connector::CountedConnector;
use crate::data_dir::{unusable, write_whole};
use crate::directory::Directory;
use crate::exit::ExitError;
use crate::spec::RoleSpec;
use crate::token::{
    ASSERTION_TYPE, Believed, KeyOwner, KeySet, PublicJwk, ReadStatement, RevokedSet, ServiceIssuer, StatementFault,
    StatementReader,
};

/// The connection by which auth is asked.
pub const CONNECTION: &str = connections::OF_KEYS;
/// The role that tells.
pub const TELLS: &str = connections::TELLS_KEYS;
/// Where it is asked.
pub const PATH: &str = "/auth/v3/roles/keys";
/// How often it is asked: what is revoked is refused within three seconds, of which auth takes one to write it and to read it again.
const ASKED_EACH: Duration = Duration::from_secs(1);
/// How long an answer may take, its body included.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The largest answer, in bytes: all that may be revoked, with long names.
const ANSWER_BYTES_MAX: usize = 12 << 20;
/// The file of the last answer, of this process alone.
const KEPT: &str = "told-by-auth.jwt";
/// The file of all that was told as revoked and is not over: the last answer alone may have less.
const KEPT_REVOKED: &str = "told-by-auth-revoked.json";

/// How a process reaches auth.
pub struct WayToAuth {
    /// Signs for the role that asks.
    pub service: ServiceIssuer,
    /// Its node.
    pub node: String,
    /// Where auth is.
    pub directory: Directory,
    /// The port of its listener.
    pub port: u16,
    /// Opens connections from the role's address, counted on their row.
    pub connector: CountedConnector,
}

/// The port at which auth is asked; none where the program has no such role.
pub fn port_of_auth(table: &[&'static RoleSpec]) -> Option<u16> {
    let auth = table.iter().find(|spec| spec.name == TELLS)?;
    auth.listens.iter().find(|listen| listen.accepts.contains(&CONNECTION)).map(|listen| listen.port)
}

/// What auth tells, to be asked for.
pub struct ToldKeys {
    reader: StatementReader,
    kept: PathBuf,
    kept_revoked: PathBuf,
    tell: watch::Sender<Believed>,
    age: BelievedAge,
    clock: Arc<dyn Clock>,
    outage: Outage,
    version: String,
    /// What was told and is not over: what auth loses stays in force.
    revoked: RevokedSet,
}

impl ToldKeys {
    /// Believes what was told last, as it was kept in the process's own folder; nothing asks yet.
    pub(super) fn open(
        data_dir: &Path,
        own_dir: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<(watch::Receiver<Believed>, Self), ExitError> {
        let (path, keys) = followed::keys_of_role(data_dir, TELLS);
        let keys = keys.map_err(|error| unusable(&path, &error))?;
        let keys: Vec<PublicJwk> = keys.into_iter().map(|(jwk, _)| jwk).collect();
        // Auth itself is let in from the start: it may need this process before it is ready to tell anything.
        let mut of_auth = KeySet::default();
        keys.iter().for_each(|jwk| of_auth.add(jwk, KeyOwner::Role(TELLS.to_owned()), None));
        let reader = StatementReader::of(&keys);
        let (kept, kept_revoked) = (own_dir.join(KEPT), own_dir.join(KEPT_REVOKED));
        let mut told = Self {
            reader,
            kept,
            kept_revoked,
            tell: watch::Sender::new(Believed { keys: of_auth, ..Believed::default() }),
            age: BelievedAge::of_now(clock.clone()),
            clock,
            outage: Outage::default(),
            version: String::new(),
            revoked: RevokedSet::default(),
        };
        if let Err(error) = told.take_kept_revoked() {
            tracing::warn!(%error, file = %told.kept_revoked.display(), "what was revoked before cannot be read: auth is asked again");
        }
        if let Err(fault) = told.take_kept() {
            tracing::warn!(%fault, file = %told.kept.display(), "what auth has told before cannot be used: it is asked again");
        }
        Ok((told.tell.subscribe(), told))
    }

    /// How old what is believed is.
    pub fn age(&self) -> BelievedAge {
        self.age.clone()
    }

    /// Asks again and again, and tells the verifier of every change. Whatever is not answered leaves in force what was.
    pub async fn follow(self, way: WayToAuth) {
        let mut told = self;
        let pool = legacy::Client::builder(TokioExecutor::new()).build(way.connector.clone());
        loop {
            let began = told.clock.now();
            let answered = match nonce() {
                Ok(nonce) => {
                    let answer = tokio::time::timeout(ANSWER_WITHIN, way.ask(&pool, &nonce, &told.version)).await;
                    let answer = answer.unwrap_or_else(|_| Err("it does not answer in time".to_owned()));
                    answer.and_then(|statement| {
                        let read = told.take(&statement, Some(&nonce), began);
                        read.map(|is_new| is_new.then_some(statement)).map_err(|fault| fault.to_string())
                    })
                }
                Err(error) => Err(error.to_string()),
            };
            told.note(answered.as_ref().err());
            if let Ok(Some(statement)) = answered {
                told.keep(statement).await;
            }
            tokio::time::sleep(ASKED_EACH).await;
        }
    }

    /// Takes what was kept as revoked. Nobody has signed it, and it lets nobody in.
    fn take_kept_revoked(&mut self) -> io::Result<()> {
        match revoked_file::read(&self.kept_revoked) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => self.revoked = read?,
        }
        self.revoked.drop_ended(self.clock.now());
        let revoked = self.revoked.clone();
        self.tell.send_modify(|believed| believed.revoked = revoked);
        Ok(())
    }

    /// Takes the answer that was kept.
    fn take_kept(&mut self) -> Result<(), String> {
        let statement = match fs::read_to_string(&self.kept) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(|error| error.to_string())?,
        };
        let now = self.clock.now();
        self.take(&statement, None, now).map(drop).map_err(|fault| fault.to_string())?;
        // It says which version it is of, and that was true when it was kept; asked for anew, all is told again.
        self.version.clear();
        Ok(())
    }

    /// Takes an answer to a question that was asked then. Whether it tells something else than before.
    fn take(&mut self, statement: &str, nonce: Option<&str>, asked: Timestamp) -> Result<bool, StatementFault> {
        let ReadStatement { version, issued, believed } = self.reader.read(statement, nonce, asked)?;
        if believed.is_none() && version != self.version {
            // Somebody on the way has taken the content away, which stands beside what is signed.
            return Err(StatementFault::Malformed);
        }
        self.version = version;
        // What was kept is as old as auth's word.
        let known = if nonce.is_some() { asked } else { issued.min(asked) };
        self.age.keys_were_read(known);
        self.age.revocations_were_read(known);
        let Some(Believed { keys, revoked }) = believed else { return Ok(false) };
        self.revoked.drop_ended(asked);
        self.revoked.merge(revoked);
        let revoked = self.revoked.clone();
        self.tell.send_replace(Believed { keys, revoked });
        Ok(true)
    }

    /// Says in the log what has come of a question, where that is news.
    fn note(&mut self, fault: Option<&String>) {
        match fault {
            None if self.outage.succeeded() => tracing::info!("auth tells again which keys verify tokens"),
            None => {}
            Some(fault) if self.outage.failed(self.clock.now()) => {
                tracing::error!(
                    fault,
                    "auth does not tell which keys verify tokens, and what was revoked: what it told last stays in force, and what is \
                     revoked from now on is good here until it runs out"
                );
            }
            Some(_) => {}
        }
    }

    /// Keeps an answer for the next start, and all that was told as revoked.
    async fn keep(&self, statement: String) {
        let (path, beside, revoked) = (self.kept.clone(), self.kept_revoked.clone(), self.revoked.clone());
        let written = tokio::task::spawn_blocking(move || {
            write_whole(&beside, &revoked_file::stored(&revoked)?)?;
            write_whole(&path, statement.as_bytes())
        })
        .await;
        if let Err(error) = written.map_err(io::Error::other).flatten() {
            tracing::warn!(%error, file = %self.kept.display(), "what auth tells cannot be kept: the next start waits for auth");
        }
    }
}

impl WayToAuth {
    /// Asks once.
    async fn ask(
        &self,
        pool: &legacy::Client<CountedConnector, Body>,
        nonce: &str,
        known: &str,
    ) -> Result<String, String> {
        let to = self.directory.addresses(TELLS, self.port);
        let to = to.first().ok_or("no replica of it is known")?;
        let assertion = self.service.assertion(&self.node, TELLS).map_err(|error| error.to_string())?;
        let asked = json!({
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
            "nonce": nonce,
            "known": known,
        });
        let request = Request::post(format!("http://{to}{PATH}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(asked.to_string()));
        self.connector.meter.request();
        let answer = pool.request(request.map_err(|error| error.to_string())?).await;
        let answer = answer.map_err(|error| {
            // The connector has counted its own failures.
            if !error.is_connect() {
                self.connector.meter.error();
            }
            error.to_string()
        })?;
        let status = answer.status();
        let body = axum::body::to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await;
        let body = body.map_err(|error| error.to_string())?;
        self.connector.meter.answered();
        match status {
            StatusCode::OK => String::from_utf8(body.to_vec()).map_err(|_| "its answer is no text".to_owned()),
            StatusCode::UNAUTHORIZED => Err(format!(
                "it does not know the key of {}: let keys/public/{0}.json be in its data directory",
                self.service.spec().name
            )),
            other => Err(format!("it answers {other}")),
        }
    }
}

/// What nobody can have an answer to yet.
fn nonce() -> io::Result<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use infra::SystemClock;

    use super::super::{service_issuer, verifier};
    use super::*;
    use crate::api_family::ApiFamily;
    use crate::token::{KeyStatements, Revocation, TokenVerifier};

    static AUTH: RoleSpec = RoleSpec { opens: &["tenant-11"], ..RoleSpec::bare("auth", 41) };
    const OPERATIONS: &[ApiFamily] = &[ApiFamily::Operations];

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SystemClock::start())
    }

    #[tokio::test]
    async fn a_process_that_has_the_key_of_auth_alone_verifies_by_what_auth_tells_and_after_a_restart() {
        let [at_auth, elsewhere] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let own = elsewhere.path();
        assert!(ToldKeys::open(own, own, clock()).err().is_some_and(|fault| fault.message.contains("auth.json")));
        let auth = service_issuer(at_auth.path(), &AUTH, clock()).unwrap();
        let issuer = super::super::issuer(at_auth.path(), clock()).unwrap();
        let token = issuer.issue(None, "operator/ann", "operate", Duration::from_secs(60)).unwrap();
        let (own_verifier, _followed) = verifier(at_auth.path(), &[&AUTH], clock()).unwrap();
        let statements = KeyStatements::new(auth, own_verifier.believed());
        fs::create_dir_all(own.join("keys/public")).unwrap();
        fs::copy(at_auth.path().join("keys/public/auth.json"), own.join("keys/public/auth.json")).unwrap();

        let (believed, mut told) = ToldKeys::open(own, own, clock()).unwrap();
        let is_good = |believed: &watch::Receiver<Believed>| {
            TokenVerifier::new(believed.clone(), &[], clock()).verify(&token, "rq", OPERATIONS).is_ok()
        };
        assert!(!is_good(&believed), "nobody has told it anything");
        let now = clock().now();
        let answer = statements.answer("one", "").unwrap().text();
        assert_eq!(told.take(&answer, Some("two"), now), Err(StatementFault::OtherQuestion));
        assert!(!is_good(&believed));
        assert_eq!(told.take(&answer, Some("one"), now), Ok(true));
        assert!(is_good(&believed));
        let same = statements.answer("three", &told.version).unwrap().text();
        assert_eq!(told.take(&same, Some("three"), now), Ok(false), "it has that version");
        told.keep(answer).await;

        let (believed, told) = ToldKeys::open(own, own, clock()).unwrap();
        assert!(is_good(&believed) && told.version.is_empty(), "auth is away, and all is asked for anew");
        // What somebody else has put there is not believed.
        let stranger = ServiceIssuer::of_new_key(&AUTH, clock()).unwrap();
        let (_tell, other) = watch::channel(Believed::default());
        fs::write(own.join(KEPT), KeyStatements::new(stranger, other).answer("one", "").unwrap().text()).unwrap();
        let (believed, _) = ToldKeys::open(own, own, clock()).unwrap();
        assert!(!is_good(&believed));
    }

    /// A folder that has the public key of that role auth.
    fn folder_with_key_of(auth: &ServiceIssuer) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("keys/public")).unwrap();
        let set = json!({ "keys": [auth.jwk()] }).to_string();
        fs::write(folder.path().join("keys/public/auth.json"), set).unwrap();
        folder
    }

    fn revoked(id: &str) -> RevokedSet {
        let revocation =
            Revocation { tenant: "acme".to_owned(), id: id.to_owned(), issued_before: None, until: u64::MAX };
        RevokedSet::restored([revocation])
    }

    struct Later(Duration);
    impl Clock for Later {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_800_000_000_000) + self.0
        }
    }

    #[tokio::test]
    async fn after_a_restart_without_auth_all_that_was_told_as_revoked_is_refused_and_its_age_is_that_of_auths_word() {
        let (begin, hours) = (Arc::new(Later(Duration::ZERO)), Arc::new(Later(Duration::from_secs(7_200))));
        let auth = ServiceIssuer::of_new_key(&AUTH, begin.clone()).unwrap();
        let folder = folder_with_key_of(&auth);
        let own = folder.path();
        let (tell, at_auth) = watch::channel(Believed { revoked: revoked("ann"), ..Believed::default() });
        let statements = KeyStatements::new(auth, at_auth);
        let (_believed, mut told) = ToldKeys::open(own, own, begin.clone()).unwrap();
        for (nonce, id) in [("one", "ann"), ("two", "bob")] {
            tell.send_modify(|believed| believed.revoked = revoked(id));
            let answer = statements.answer(nonce, &told.version).unwrap().text();
            assert_eq!(told.take(&answer, Some(nonce), begin.now()), Ok(true));
            told.keep(answer).await;
        }
        assert_eq!(told.age().of_revocations(), Duration::ZERO);

        let (believed, told) = ToldKeys::open(own, own, hours).unwrap();
        let mut ids: Vec<String> = believed.borrow().revoked.iter().map(|revocation| revocation.id.clone()).collect();
        ids.sort();
        assert_eq!(ids, ["ann", "bob"], "auth has lost the first, and this process has not");
        assert_eq!(told.age().of_revocations(), Duration::from_secs(7_200));
        // A broken file of them leaves the keys.
        fs::write(own.join(KEPT_REVOKED), "{").unwrap();
        let (believed, _) = ToldKeys::open(own, own, begin).unwrap();
        assert_eq!(believed.borrow().revoked.iter().count(), 1);
    }

    #[test]
    fn an_answer_whose_content_somebody_takes_away_is_not_believed() {
        let auth = ServiceIssuer::of_new_key(&AUTH, clock()).unwrap();
        let folder = folder_with_key_of(&auth);
        let (_tell, at_auth) = watch::channel(Believed { revoked: revoked("ann"), ..Believed::default() });
        let answer = KeyStatements::new(auth, at_auth).answer("one", "").unwrap().text();
        let (believed, mut told) = ToldKeys::open(folder.path(), folder.path(), clock()).unwrap();
        let (signed, _) = answer.split_once('\n').unwrap();
        assert_eq!(told.take(signed, Some("one"), clock().now()), Err(StatementFault::Malformed));
        assert!(told.version.is_empty(), "it goes on asking for all");
        assert_eq!(told.take(&answer, Some("one"), clock().now()), Ok(true));
        assert_eq!(believed.borrow().revoked.iter().count(), 1);
    }
}
