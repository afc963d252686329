//! Orders a certificate when one is due: one process of the installation at a time, under a job's lease. All of them see what it keeps.

use std::path::PathBuf;
use std::time::Duration;

use model::{Timestamp, Token};
use net::tls::alpn_challenges::{AlpnChallenge, AlpnChallenges};
use net::tls::file_stamps::FileStamps;
use runtime::RoleContext;

use super::Metrics;
use super::certificate_orders::{self, CertificateOrders, blocking};
use super::kept::AcmeFiles;
use super::order_fault::{OrderFault, OrderOutcome};
use super::schedule::{HeldCertificate, OrderHistory, OrderReason, RenewalStep, next_step};

/// How often it is looked whether an order is due, and which challenges are to be answered.
const LOOK_EACH: Duration = Duration::from_secs(1);
/// The job of ordering.
const JOB: &str = "acme-order";
/// How long it is kept without being renewed.
const JOB_FOR: Duration = Duration::from_secs(10);
/// How often it is renewed while an order is under way.
const RENEW_JOB_EACH: Duration = Duration::from_secs(3);

/// The certificate of the installation, as this process knows it, and its orders.
pub(super) struct Renewals {
    ctx: RoleContext,
    orders: CertificateOrders,
    metrics: Metrics,
    seen: FileStamps,
    held: Option<HeldCertificate>,
    history: OrderHistory,
    /// Whether the files could not be read at the last look: what is known is of an earlier one.
    is_blind: bool,
    /// Whether it could not be known at the last try if another process orders.
    is_without_lease: bool,
}

/// How an order was left that has come to no end of its own.
enum LeftOrder {
    /// The role ends.
    Drained,
    /// Another process has the job by now.
    TakenOver,
}

impl Renewals {
    /// Nothing is known yet.
    pub fn new(ctx: RoleContext, orders: CertificateOrders, metrics: Metrics) -> Self {
        let (seen, history) = (FileStamps::default(), OrderHistory::default());
        Self { ctx, orders, metrics, seen, held: None, history, is_blind: false, is_without_lease: false }
    }

    /// Orders until the role drains.
    pub async fn run(mut self) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = self.ctx.drain.begun() => return Ok(()),
                () = tokio::time::sleep(LOOK_EACH) => {}
            }
            if self.look().await {
                match self.step() {
                    RenewalStep::Wait(until) => {
                        self.is_without_lease = false;
                        self.metrics.next.set(i64::try_from(until.as_secs()).ok());
                    }
                    RenewalStep::Order(_) => self.order_in_turn().await,
                }
            }
            self.show_failing();
        }
    }

    fn step(&self) -> RenewalStep {
        next_step(&self.orders.wish, self.held.as_ref(), &self.history, self.ctx.clock.now())
    }

    /// 1 while orders fail, or cannot even begin.
    fn show_failing(&self) {
        let failing = self.history.failing(&self.orders.wish, self.held.as_ref(), self.ctx.clock.now());
        let is_failing = failing.is_some() || self.is_blind || self.is_without_lease;
        self.metrics.failing.set(i64::from(is_failing));
    }

    /// Reads what this and other processes have kept, if it has changed; whether that could be done. While the disk does not tell what
    /// there is, nothing is ordered: there may be a certificate, and a wait that the server has asked for.
    async fn look(&mut self) -> bool {
        let (files, issued, seen) = (self.orders.files.clone(), self.orders.issued.clone(), self.seen.clone());
        let looked = blocking(move || {
            let paths = [files.history_path(), issued.path().to_owned()];
            let stamps = FileStamps::of(paths.iter().map(PathBuf::as_path));
            if stamps == seen {
                return Ok(None);
            }
            let held = match issued.read() {
                Ok(present) => present.as_ref().map(certificate_orders::present),
                Err(fault) if fault.is_unreadable() => return Err(fault.into()),
                // What cannot be used counts as none: it is ordered again. The watch of certificates says why.
                Err(_) => None,
            };
            Ok(Some((stamps, held, files.history()?)))
        });
        match looked.await {
            Ok(looked) => {
                self.is_blind = false;
                if let Some((stamps, held, history)) = looked {
                    (self.seen, self.held, self.history) = (stamps, held, history);
                }
            }
            Err(fault) => {
                if !std::mem::replace(&mut self.is_blind, true) {
                    let why = fault.why;
                    tracing::warn!(why, "the files of ordered certificates cannot be read: none is ordered meanwhile");
                }
            }
        }
        !self.is_blind
    }

    /// Orders, unless another process does.
    async fn order_in_turn(&mut self) {
        let owner = self.ctx.owner();
        let token = match self.ctx.stores.leases.take_job(JOB, &owner, JOB_FOR).await {
            Ok(token) => token,
            Err(error) => {
                if !std::mem::replace(&mut self.is_without_lease, true) {
                    tracing::warn!(
                        %error,
                        "it is not known whether another process orders a certificate: none is ordered meanwhile"
                    );
                }
                return;
            }
        };
        self.is_without_lease = false;
        let Some(token) = token else { return };
        // Who had the job before may have ordered since the last look.
        if !self.look().await {
            return;
        }
        if let RenewalStep::Order(reason) = self.step() {
            self.order(token, reason).await;
        }
    }

    async fn order(&mut self, token: Token, reason: OrderReason) {
        let before = self.history.clone();
        let wish = &self.orders.wish;
        tracing::info!(directory = wish.directory, domains = ?wish.domains, ?reason, "a certificate is ordered");
        self.keep(before.begun(&self.orders.wish, self.ctx.clock.now())).await;
        let mut entropy = self.ctx.entropy();
        let ordered = tokio::select! {
            ordered = self.orders.order(&mut *entropy) => Ok(ordered),
            () = self.loses_job(token) => Err(LeftOrder::TakenOver),
            () = self.ctx.drain.begun() => Err(LeftOrder::Drained),
        };
        match ordered {
            Ok(Ok(held)) => self.issued(held).await,
            Ok(Err(fault)) => self.failed(&before, fault).await,
            // Whoever goes on need not wait: what was requested is fetched, and not ordered again.
            Err(LeftOrder::Drained) => self.keep(before).await,
            // That one keeps what becomes of it.
            Err(LeftOrder::TakenOver) => tracing::warn!("another process goes on with the order of a certificate"),
        }
    }

    async fn issued(&mut self, held: HeldCertificate) {
        let history = OrderHistory::issued(&self.orders.wish, self.ctx.clock.now());
        self.metrics.orders.inc(OrderOutcome::Issued);
        tracing::info!(names = ?held.names, valid_to_s = held.valid_to.as_secs(), "a certificate has been issued");
        self.held = Some(held);
        self.keep(history).await;
    }

    async fn failed(&mut self, before: &OrderHistory, fault: OrderFault) {
        let now = self.ctx.clock.now();
        let history = before.failed(&self.orders.wish, fault.failure(), now, &mut *self.ctx.entropy());
        self.metrics.orders.inc(fault.outcome());
        let again = match next_step(&self.orders.wish, None, &history, now) {
            RenewalStep::Wait(until) => until.since(now),
            RenewalStep::Order(_) => Duration::ZERO,
        };
        tracing::error!(
            why = fault.why,
            remedy = fault.remedy,
            failures = history.failures,
            again_in_s = again.as_secs(),
            "no certificate was issued; the present one stays"
        );
        self.keep(history).await;
    }

    /// Keeps how the orders went, for this process also if the disk is full.
    async fn keep(&mut self, history: OrderHistory) {
        self.history = history.clone();
        self.show_failing();
        let files = self.orders.files.clone();
        if let Err(fault) = blocking(move || files.keep_history(&history)).await {
            tracing::error!(why = fault.why, remedy = fault.remedy, "how an order went cannot be kept");
        }
    }

    /// Renews the job; ends when another process has it.
    async fn loses_job(&self, token: Token) {
        let owner = self.ctx.owner();
        loop {
            tokio::time::sleep(RENEW_JOB_EACH).await;
            match self.ctx.stores.leases.take_job(JOB, &owner, JOB_FOR).await {
                Ok(Some(present)) if present == token => {}
                // While the store is away, nobody else gets it either.
                Err(error) => tracing::debug!(%error, "the job of ordering was not renewed"),
                Ok(_) => return,
            }
        }
    }
}

/// Answers the challenges of whichever process orders, until the role ends.
pub(super) async fn answer_challenges(
    ctx: RoleContext,
    files: AcmeFiles,
    challenges: AlpnChallenges,
) -> anyhow::Result<()> {
    let mut seen = FileStamps::default();
    let mut until = Timestamp::ZERO;
    loop {
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            () = tokio::time::sleep(LOOK_EACH) => {}
        }
        let (of_all, before) = (files.clone(), seen.clone());
        let looked = blocking(move || {
            let stamps = FileStamps::of(std::iter::once(of_all.challenges_path().as_path()));
            let kept = if stamps == before { None } else { Some(of_all.challenges()?) };
            Ok((stamps, kept))
        });
        let now = ctx.clock.now();
        match looked.await {
            Ok((stamps, Some((wanted, end)))) => {
                (seen, until) = (stamps, end);
                let wanted: &[AlpnChallenge] = if now < end { &wanted } else { &[] };
                if let Err(error) = challenges.replace(wanted) {
                    tracing::warn!("challenges of an order cannot be answered: {error:#}");
                }
            }
            // Who has ordered is gone without an end.
            Ok(_) if until != Timestamp::ZERO && now >= until => {
                until = Timestamp::ZERO;
                challenges.replace(&[])?;
            }
            Ok(_) => {}
            Err(fault) => tracing::debug!(why = fault.why, "the challenges of orders cannot be read"),
        }
    }
}
