//! Missing topics are created before the first record goes to them.

use std::collections::BTreeSet;

use infra::LogRecord;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;

use super::{ANSWER_WITHIN, Live};

/// The protocol's value for the broker's own setting.
const AS_THE_BROKER_IS: i32 = -1;

/// Creates the topics of these records unless they are known to exist.
pub(super) async fn ensure(
    config: &ClientConfig,
    partitions: Option<u16>,
    live: &Live,
    records: &[LogRecord],
) -> Result<(), String> {
    let mut known = live.topics.lock().await;
    let unknown: BTreeSet<&'static str> =
        records.iter().map(|record| record.topic).filter(|topic| !known.contains(topic)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    create(config, partitions, &unknown).await?;
    known.extend(unknown);
    Ok(())
}

async fn create(config: &ClientConfig, partitions: Option<u16>, topics: &BTreeSet<&'static str>) -> Result<(), String> {
    let mut plain = ClientConfig::new();
    for key in ["bootstrap.servers", "client.id", "socket.connection.setup.timeout.ms", "log.connection.close"] {
        plain.set(key, config.get(key).unwrap_or_default());
    }
    let admin: AdminClient<DefaultClientContext> = plain.create().map_err(|error| error.to_string())?;
    let partitions = partitions.map_or(AS_THE_BROKER_IS, i32::from);
    let fresh: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(AS_THE_BROKER_IS)))
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN)).request_timeout(Some(ANSWER_WITHIN));
    let answers = admin.create_topics(&fresh, &options).await;
    // Dropping it joins a thread.
    tokio::task::spawn_blocking(move || drop(admin));
    for answer in answers.map_err(|error| format!("topics cannot be made: {error}"))? {
        match answer {
            Ok(topic) => tracing::info!(topic, "topic made"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            // Kafka's operator creates the topics then: if they are missing, delivering the records reports it.
            Err((
                topic,
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::PolicyViolation),
            )) => tracing::warn!(topic, %code, "the topic may not be made by us"),
            Err((topic, code)) => return Err(format!("topic {topic} cannot be made: {code}")),
        }
    }
    Ok(())
}
