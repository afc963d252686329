//! Records in delivery: handed to the producer in order, awaited together.

use std::time::Duration;

use futures::StreamExt as _;
use futures::channel::oneshot::Canceled;
use futures::stream::FuturesUnordered;
use infra::{LogRecord, Refused};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::producer::Producer;

/// Delay before a full queue is tried again when none of our records is in it.
const QUEUE_AGAIN: Duration = Duration::from_millis(20);

/// How to proceed with a record that the producer did not accept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Advice {
    /// Wait until some are delivered.
    Wait,
    /// Repeat everything later.
    Again,
    /// Never try it again.
    Never,
}

/// How to proceed after an error. Errors that an operator can fix (rights, limits of a topic, disks) are retried until they are fixed.
fn advice(error: &KafkaError) -> Advice {
    let KafkaError::MessageProduction(code) = error else { return Advice::Again };
    match code {
        RDKafkaErrorCode::QueueFull => Advice::Wait,
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidTopic => Advice::Never,
        _ => Advice::Again,
    }
}

/// Hands the records over and waits until every one is delivered; returns those that never can be.
pub(super) async fn deliver(producer: &Producer, records: &[LogRecord]) -> Result<Vec<Refused>, String> {
    let (mut on_their_way, mut refused) = (FuturesUnordered::new(), Vec::new());
    for record in records {
        while let Err(error) = producer.send(record).map(|delivery| on_their_way.push(delivery)) {
            match advice(&error) {
                Advice::Wait => match on_their_way.next().await {
                    Some(delivered) => delivery(delivered)?,
                    None => tokio::time::sleep(QUEUE_AGAIN).await,
                },
                Advice::Again => return Err(error.to_string()),
                Advice::Never => {
                    let (id, topic) = (record.id.clone(), record.topic);
                    refused.push(Refused { id, topic, reason: error.to_string() });
                    break;
                }
            }
        }
    }
    while let Some(delivered) = on_their_way.next().await {
        delivery(delivered)?;
    }
    Ok(refused)
}

/// The result of one message. A failure here comes from a broker, for a whole batch: it is unknown which record is to blame, and
/// none is dropped.
fn delivery(delivered: Result<Result<(), KafkaError>, Canceled>) -> Result<(), String> {
    match delivered {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the producer has ended".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_repeat_can_help_is_given_up() {
        let of = |code| advice(&KafkaError::MessageProduction(code));
        assert_eq!(of(RDKafkaErrorCode::QueueFull), Advice::Wait);
        assert_eq!(of(RDKafkaErrorCode::MessageSizeTooLarge), Advice::Never);
        for code in [
            RDKafkaErrorCode::UnknownTopic,
            RDKafkaErrorCode::TopicAuthorizationFailed,
            RDKafkaErrorCode::NotEnoughReplicas,
            RDKafkaErrorCode::AllBrokersDown,
            RDKafkaErrorCode::Fatal,
        ] {
            assert_eq!(of(code), Advice::Again, "{code:?}");
        }
        assert_eq!(advice(&KafkaError::Canceled), Advice::Again);
    }
}
