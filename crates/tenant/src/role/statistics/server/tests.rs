use futures::StreamExt as _;
use futures::stream::BoxStream;
use infra::SystemClock;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::super::catalogue::tests::whole;
use super::*;

type Asked = Result<v1::FollowStatisticsRequest, Status>;
type Told = Result<v1::FollowStatisticsResponse, Status>;

struct Site {
    tenants: CountedTenants,
    shared: Arc<SharedCounts>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

impl Site {
    fn new() -> Self {
        let metrics = Metrics::register(&runtime::Metrics::default());
        let tenants = CountedTenants::default();
        let shared = tenants.begin(&acme(), &metrics);
        let clock = Arc::new(SystemClock::start());
        let now = clock.now();
        shared.with(|counts| counts.configure(whole(|_| {}), |_| stats::Zone::utc(), now));
        Self { tenants, shared, metrics, clock }
    }

    fn is_present(&self) {
        self.shared.with(|counts| {
            counts.has_reached("0-7".to_owned());
            counts.is_at_present();
        });
        self.shared.tell();
    }

    fn follow(&self) -> (mpsc::Sender<Asked>, BoxStream<'static, Told>) {
        let (asked, requests) = mpsc::channel(8);
        let follower = Follower::new(self.shared.clone(), self.metrics.clone(), self.clock.clone());
        (asked, follower.answers(ReceiverStream::new(requests)).boxed())
    }

    fn server(&self, stored: StoredTenants) -> StatisticServer {
        let (_, stored) = watch::channel(stored);
        StatisticServer::new(self.tenants.clone(), stored, self.metrics.clone(), self.clock.clone())
    }
}

fn opening(references: std::ops::Range<u64>) -> Asked {
    let open = references.map(|reference| {
        let request = v1::StatisticRequest {
            name: "CallsHandled".to_owned(),
            object_type: "Agent".to_owned(),
            object_id: "1001".to_owned(),
            ..Default::default()
        };
        v1::OpenStatistic { reference, request: Some(request) }
    });
    Ok(v1::FollowStatisticsRequest { open: open.collect(), close: Vec::new() })
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_told_what_it_opens_and_then_that_it_lives() {
    let site = Site::new();
    site.is_present();
    let (asked, mut told) = site.follow();
    asked.send(opening(0..1)).await.unwrap();
    let first = told.next().await.unwrap().unwrap();
    assert_eq!((first.values.len(), first.position.as_str()), (1, "0-7"));
    let begun = tokio::time::Instant::now();
    let second = told.next().await.unwrap().unwrap();
    assert_eq!((second.values.len(), second.position.as_str()), (0, "0-7"));
    assert_eq!(begun.elapsed().as_secs(), 5);
    drop(told);
    assert_eq!(site.shared.with(|counts| counts.statistics()), 1, "it is held for a while");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_for_nothing_more_is_told_on() {
    let site = Site::new();
    site.is_present();
    let (asked, mut told) = site.follow();
    asked.send(opening(0..2)).await.unwrap();
    drop(asked);
    assert_eq!(told.next().await.unwrap().unwrap().values.len(), 2);
    assert!(told.next().await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_message_with_too_much_ends_the_stream() {
    let site = Site::new();
    site.is_present();
    let (asked, mut told) = site.follow();
    asked.send(opening(0..501)).await.unwrap();
    let refused = told.next().await.unwrap().unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().starts_with("open: "), "{refused}");
    assert!(told.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn streams_end_when_the_statistics_begin_again() {
    let site = Site::new();
    site.is_present();
    let (asked, mut told) = site.follow();
    asked.send(opening(0..1)).await.unwrap();
    told.next().await.unwrap().unwrap();
    site.tenants.forget(&acme());
    assert_eq!(told.next().await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
    assert!(told.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_there_is_not_is_another_answer_than_one_that_is_not_counted_yet() {
    let site = Site::new();
    let known = || StoredTenants::known([(acme(), infra::HistoryPoint::default())]);
    let code = |outcome: Result<Arc<SharedCounts>, Status>| outcome.map(|_| ()).map_err(|status| status.code());
    let globex = TenantId::parse("globex").unwrap();
    assert_eq!(code(site.server(known()).present(&globex).await), Err(tonic::Code::NotFound));
    assert_eq!(code(site.server(StoredTenants::default()).present(&globex).await), Err(tonic::Code::Unavailable));
    assert_eq!(code(site.server(known()).present(&acme()).await), Err(tonic::Code::Unavailable));
    site.is_present();
    assert_eq!(code(site.server(known()).present(&acme()).await), Ok(()));
}
