//! What is wrong with the objects of a refused change, beside the words of the refusal.

use contracts::v1;
use prost::Message as _;
use tonic::Status;
use tonic::metadata::MetadataValue;

/// The metadata that has it, as a message `ObjectFaults`.
const FAULTS_METADATA: &str = "trunkline-faults-bin";

/// A refusal with these faults. They travel in headers, of which clients accept 16 KiB.
pub fn with_object_faults(mut status: Status, faults: &v1::ObjectFaults) -> Status {
    status.metadata_mut().insert_bin(FAULTS_METADATA, MetadataValue::from_bytes(&faults.encode_to_vec()));
    status
}

/// The faults that a refusal names; none if it has none, or if they cannot be read.
pub fn object_faults(status: &Status) -> v1::ObjectFaults {
    let bytes = status.metadata().get_bin(FAULTS_METADATA).and_then(|value| value.to_bytes().ok());
    bytes.and_then(|bytes| v1::ObjectFaults::decode(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faults_of_a_refusal_are_read_as_they_were_written() {
        let fault = v1::ObjectFault { field: "agent.skills".to_owned(), ..v1::ObjectFault::default() };
        let faults = v1::ObjectFaults { faults: vec![fault], more: 2 };
        let status = with_object_faults(Status::invalid_argument("x"), &faults);
        assert_eq!((status.message(), object_faults(&status)), ("x", faults));
        assert_eq!(object_faults(&Status::internal("x")), v1::ObjectFaults::default());
        let mut damaged = Status::internal("x");
        damaged.metadata_mut().insert_bin(FAULTS_METADATA, MetadataValue::from_bytes(b"\xff"));
        assert_eq!(object_faults(&damaged), v1::ObjectFaults::default());
    }
}
