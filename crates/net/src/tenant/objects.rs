//! Reads the objects of a tenant, one after the other: memory does not grow with their number.

use std::time::Duration;

use contracts::provisioning::{Object, ObjectKind};
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::read_objects_response::What;
use futures::{Stream, StreamExt as _};
use model::TenantId;
use tonic::{Code, Status};

use crate::grpc::Channel;

/// Time for the next object, and usually for the first one.
const NEXT_WITHIN: Duration = Duration::from_secs(15);

/// Reads objects of tenants.
pub struct ObjectReader {
    client: ConfigurationClient<Channel>,
    /// Time for the answer to begin.
    begins_within: Duration,
}

/// Why objects were not read, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Tenant refuses, or cannot be reached.
    #[error("tenant does not give its objects: {0}")]
    Refused(Status),
    /// The next object does not come.
    #[error("tenant is silent")]
    Silent,
    /// An object is of a kind that this release does not know.
    #[error("an object is of the unknown kind {0}")]
    Kind(String),
    /// An object cannot be read.
    #[error("{kind} {id} cannot be read")]
    Object {
        /// Its kind.
        kind: String,
        /// Its id.
        id: String,
        /// What is wrong with it.
        #[source]
        fault: serde_json::Error,
    },
    /// They end before the last one.
    #[error("the objects end without a revision")]
    CutOff,
}

impl ReadError {
    /// Whether tenant says that there is no such tenant. It says so too of one that it does not know yet, as long as it begins.
    pub fn is_no_tenant(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code() == Code::NotFound)
    }
}

impl From<Status> for ReadError {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl ObjectReader {
    /// Reads over this connection.
    pub const fn new(client: ConfigurationClient<Channel>) -> Self {
        Self { client, begins_within: NEXT_WITHIN }
    }

    /// The same for whole tenants: before the first object of one that it does not have in memory, tenant reads all of it, behind others
    /// perhaps. The connection must leave as much time, see [`crate::grpc::channel_answering_within`].
    #[must_use]
    pub fn beginning_within(self, begins_within: Duration) -> Self {
        Self { begins_within, ..self }
    }

    /// Reads all objects of these kinds, or the one with that id where it is not empty. Returns the revision at which all of them stood.
    ///
    /// # Errors
    /// The first error, be it one of `each`: some objects may have been given to it by then.
    pub async fn read<E: From<ReadError>>(
        &self,
        tenant: &TenantId,
        kinds: &[ObjectKind],
        id: &str,
        each: impl FnMut(Object) -> Result<(), E> + Send,
    ) -> Result<u64, E> {
        let kinds = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
        let asked = v1::ReadObjectsRequest { kinds, id: id.to_owned() };
        let asked = crate::grpc::for_tenant(tonic::Request::new(asked), tenant);
        let mut client = self.client.clone();
        let answers = begun(client.read_objects(asked), self.begins_within).await?;
        take_in(answers.into_inner(), each).await
    }
}

/// The answer once it begins. After that each object has a time of its own, however many there are.
async fn begun<T>(asking: impl Future<Output = Result<T, Status>>, within: Duration) -> Result<T, ReadError> {
    let answered = tokio::time::timeout(within, asking).await;
    Ok(answered.map_err(|_| ReadError::Silent)??)
}

/// Takes in all objects of a stream.
async fn take_in<E: From<ReadError>>(
    mut answers: impl Stream<Item = Result<v1::ReadObjectsResponse, Status>> + Unpin,
    mut each: impl FnMut(Object) -> Result<(), E>,
) -> Result<u64, E> {
    loop {
        let answer = tokio::time::timeout(NEXT_WITHIN, answers.next()).await.map_err(|_| ReadError::Silent)?;
        let answer = answer.transpose().map_err(ReadError::from)?;
        match answer.and_then(|answer| answer.what) {
            Some(What::Revision(revision)) => return Ok(revision),
            Some(What::Object(object)) => each(parsed(object)?)?,
            None => return Err(ReadError::CutOff.into()),
        }
    }
}

fn parsed(object: v1::ConfigObject) -> Result<Object, ReadError> {
    let v1::ConfigObject { kind, id, json } = object;
    let Some(known) = ObjectKind::parse(&kind) else { return Err(ReadError::Kind(kind)) };
    Object::from_json(known, json.as_bytes()).map_err(|fault| ReadError::Object { kind, id, fault })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answers = Vec<Result<v1::ReadObjectsResponse, Status>>;

    fn skill(json: &str) -> What {
        What::Object(v1::ConfigObject { kind: "skill".to_owned(), id: "sales".to_owned(), json: json.to_owned() })
    }

    fn told(all: Vec<What>) -> Answers {
        all.into_iter().map(|what| Ok(v1::ReadObjectsResponse { what: Some(what), ..Default::default() })).collect()
    }

    async fn read(answers: Answers) -> (usize, Result<u64, ReadError>) {
        let mut objects = 0;
        let each = |_| {
            objects += 1;
            Ok(())
        };
        let outcome = take_in(futures::stream::iter(answers), each).await;
        (objects, outcome)
    }

    #[tokio::test]
    async fn objects_are_whole_with_their_revision_alone() {
        let sales = || skill(r#"{"name":"sales"}"#);
        let (objects, revision) = read(told(vec![sales(), sales(), What::Revision(7)])).await;
        assert_eq!((objects, revision.unwrap()), (2, 7));
        let (objects, cut_off) = read(told(vec![sales()])).await;
        assert_eq!((objects, cut_off.unwrap_err().to_string().as_str()), (1, "the objects end without a revision"));
    }

    #[tokio::test]
    async fn an_object_that_cannot_be_read_is_named() {
        let (_, broken) = read(told(vec![skill("{"), What::Revision(7)])).await;
        assert_eq!(broken.unwrap_err().to_string(), "skill sales cannot be read");
    }

    #[tokio::test]
    async fn that_there_is_no_such_tenant_is_told_from_other_refusals() {
        let (_, missing) = read(vec![Err(Status::not_found("no tenant acme"))]).await;
        assert!(missing.unwrap_err().is_no_tenant());
        let (_, away) = read(vec![Err(Status::unavailable("the store is away"))]).await;
        assert!(!away.unwrap_err().is_no_tenant());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_begin_late_and_last_long_where_each_object_comes_in_time() {
        let late = || async {
            tokio::time::sleep(4 * NEXT_WITHIN).await;
            Ok::<_, Status>(())
        };
        assert!(begun(late(), 5 * NEXT_WITHIN).await.is_ok());
        assert!(matches!(begun(late(), NEXT_WITHIN).await, Err(ReadError::Silent)));
        let slow =
            futures::stream::iter(told(vec![skill(r#"{"name":"sales"}"#), What::Revision(7)])).then(|one| async move {
                tokio::time::sleep(NEXT_WITHIN / 2).await;
                one
            });
        let outcome: Result<u64, ReadError> = take_in(Box::pin(slow), |_| Ok(())).await;
        assert_eq!(outcome.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_given_up() {
        let silent = futures::stream::pending();
        let outcome: Result<u64, ReadError> = take_in(silent, |_| Ok(())).await;
        assert!(matches!(outcome, Err(ReadError::Silent)));
    }
}
