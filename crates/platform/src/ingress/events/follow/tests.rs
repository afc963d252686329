use std::sync::Mutex;

use super::*;

/// What tenant answers to each opening of the stream, in turn.
type Answers = Vec<Result<Vec<Result<v1::Delivery, Status>>, Status>>;

fn asked(after: &str, beginning: Beginning) -> FollowRequest {
    let request = v1::SubscribeRequest { after: after.to_owned(), ..Default::default() };
    FollowRequest { tenant: TenantId::parse("acme").unwrap(), token: None, request, beginning }
}

fn gone() -> Status {
    Status::out_of_range("the stream was trimmed up to 0-9")
}

/// As gRPC says it of a message that is larger than its reader accepts.
fn too_large() -> Status {
    Status::out_of_range("Error, decoded message length too large: found 67108865 bytes, the limit is: 67108864 bytes")
}

fn delivery(what: What) -> Result<v1::Delivery, Status> {
    Ok(v1::Delivery { what: Some(what) })
}

fn snapshot(position: &str) -> Result<v1::Delivery, Status> {
    delivery(What::Snapshot(v1::Snapshot { position: position.to_owned(), ..Default::default() }))
}

/// All frames after a position, and with which positions streams were opened.
async fn followed(asked: FollowRequest, answers: Answers) -> (Result<Vec<String>, u16>, Vec<String>) {
    let (answers, opened) = (Mutex::new(VecDeque::from(answers)), Arc::new(Mutex::new(Vec::new())));
    let notes = opened.clone();
    let open: Opener = Box::new(move |asked: FollowRequest| {
        notes.lock().unwrap().push(asked.request.after);
        let answer = answers.lock().unwrap().pop_front().expect("it is not opened once more");
        Box::pin(async move { answer.map(|deliveries| futures::stream::iter(deliveries).boxed()) })
    });
    let frames = match Following::begin(open, Drain::new(Duration::from_secs(1)), asked).await {
        Ok(mut following) => {
            let mut frames = Vec::new();
            while let Some(frame) = following.next().await {
                frames.push(match &frame {
                    StreamFrame::End(end) => format!("end: {}", end.detail),
                    StreamFrame::Gap(gap) => format!("gap {}", gap.after),
                    other => format!("{} {}", other.kind(), other.position().unwrap_or_default()),
                });
            }
            Ok(frames)
        }
        Err(problem) => Err(problem.status),
    };
    let opened = opened.lock().unwrap().clone();
    (frames, opened)
}

#[tokio::test]
async fn a_gap_is_told_and_a_snapshot_follows() {
    let reached = || delivery(What::Reached("0-12".to_owned()));
    let answers = vec![Err(gone()), Ok(vec![snapshot("0-11"), reached(), Err(gone())]), Ok(vec![snapshot("0-20")])];
    let (frames, opened) = followed(asked("0-7", Beginning::Snapshot), answers).await;
    let over = "end: the events have ended: continue after the last position";
    let wanted = ["gap 0-7", "snapshot 0-11", "reached 0-12", "gap 0-12", "snapshot 0-20", over];
    assert_eq!(frames.unwrap(), wanted);
    assert_eq!(opened, ["0-7", "", ""]);
}

#[tokio::test]
async fn a_snapshot_that_is_too_large_is_refused() {
    let asked = |after| asked(after, Beginning::Snapshot);
    assert_eq!(followed(asked(""), vec![Ok(vec![Err(too_large())])]).await.0, Err(422));
    assert_eq!(followed(asked("0-7"), vec![Err(gone()), Ok(vec![Err(too_large())])]).await.0, Err(422));
}

#[tokio::test]
async fn a_snapshot_that_is_too_large_behind_a_gap_ends_the_stream() {
    let answers = vec![Ok(vec![Err(gone())]), Ok(vec![Err(too_large())])];
    let (frames, opened) = followed(asked("0-7", Beginning::Snapshot), answers).await;
    assert_eq!(frames.unwrap(), ["gap 0-7".to_owned(), format!("end: {TOO_LARGE}")]);
    assert_eq!(opened, ["0-7", ""]);
}

#[tokio::test]
async fn who_needs_no_snapshot_begins_at_the_present_end_and_goes_on_there_after_a_gap() {
    let answers =
        vec![Err(gone()), Ok(vec![snapshot("0-20")]), Ok(vec![Err(gone())]), Ok(vec![snapshot("0-30")]), Ok(vec![])];
    let (frames, opened) = followed(asked("0-7", Beginning::End), answers).await;
    let over = "end: the events have ended: continue after the last position";
    assert_eq!(frames.unwrap(), ["gap 0-7", "reached 0-20", "gap 0-20", "reached 0-30", over]);
    assert_eq!(opened, ["0-7", "", "0-20", "", "0-30"]);
}
