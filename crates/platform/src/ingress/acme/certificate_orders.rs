//! An order of a certificate, from the account to the chain (RFC 8555 section 7.4), by the challenge `tls-alpn-01`, which needs no port but
//! that of the web edge.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use infra::Clock;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, ExternalAccountKey, Identifier, NewAccount,
    NewOrder, Order as OrderAtServer, OrderStatus, RetryPolicy,
};
use model::{Entropy, Timestamp};
use net::tls::alpn_challenges::{AlpnChallenge, AlpnChallenges, DIGEST_BYTES};
use net::tls::identity::Identity;
use net::tls::issued_identity::{IssuedCertificate, IssuedIdentity, PresentIdentity};
use net::tls::{authorities, certificate_request};

use super::kept::{AcmeFiles, KeptAccount, RequestedCertificate};
use super::order_fault::{OrderFault, is_unauthorized};
use super::schedule::{CertificateWish, HeldCertificate};
use super::server_client::AcmeServerClient;

/// How long an order may take.
pub(super) const ORDER_WITHIN: Duration = Duration::from_secs(300);
/// How the server is asked whether it is done: first after a second.
const POLLED: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_secs(1)).backoff(1.5).timeout(Duration::from_secs(120));
/// How long it takes until every process of the installation answers challenges: each looks at them once a second.
const SHARED_WITHIN: Duration = Duration::from_secs(3);

/// For how long a certificate that was requested is asked for, before another one is ordered: Let's Encrypt issues 5 of the same names in
/// a week, so that one each two days is never too many.
const REQUESTED_FOR: Duration = Duration::from_secs(2 * 86_400);

/// What orders are made with.
pub(super) struct CertificateOrders {
    pub wish: CertificateWish,
    /// Whom the authority writes to, as `mailto:` URLs.
    pub contact: Vec<String>,
    /// The key of the account that the authority already knows us by; empty if it needs none.
    pub external_key: Vec<u8>,
    /// The file of the authorities that vouch for the server, instead of those of this machine.
    pub authorities: Option<PathBuf>,
    pub files: AcmeFiles,
    pub issued: IssuedIdentity,
    pub challenges: AlpnChallenges,
    pub clock: Arc<dyn Clock>,
}

impl CertificateOrders {
    /// Orders a certificate, and keeps it in place of the present one. One that was requested before and has not come is fetched instead.
    pub async fn order(&self, entropy: &mut dyn Entropy) -> Result<HeldCertificate, OrderFault> {
        let client = AcmeServerClient::new(self.tls().await?, self.clock.clone());
        let ordered = tokio::time::timeout(ORDER_WITHIN, self.ordered(client.clone(), entropy)).await;
        let ordered = ordered.unwrap_or_else(|_| Err(OrderFault::late(ORDER_WITHIN)));
        // Whatever has come of it, nobody is to look again.
        if let Err(fault) = self.answer(Vec::new()).await {
            tracing::warn!(why = fault.why, "challenges of an order that has ended are answered for some minutes more");
        }
        let fault = match ordered {
            Ok(held) => return Ok(held),
            Err(fault) => fault.with_answer(client.asked_wait(), client.asked_address().as_deref()),
        };
        if fault.lacks_account {
            let files = self.files.clone();
            blocking(move || files.forget_account()).await?;
        }
        Err(fault)
    }

    async fn ordered(
        &self,
        client: AcmeServerClient,
        entropy: &mut dyn Entropy,
    ) -> Result<HeldCertificate, OrderFault> {
        let account = self.account(client).await?;
        let (order, requested) = match self.resumed(&account).await.map_err(OrderFault::after_order)? {
            Some(resumed) => resumed,
            None => {
                let order = self.new_order(&account).await?;
                self.proved(order, account.id()).await.map_err(OrderFault::after_order)?
            }
        };
        let fetched = self.fetched(order, &requested, entropy).await;
        if fetched.as_ref().err().is_none_or(|fault| fault.is_final) {
            self.forget_requested().await;
        }
        fetched.map_err(OrderFault::after_order)
    }

    /// The order of what was requested before, if the server still has it.
    async fn resumed(&self, account: &Account) -> Result<Option<(OrderAtServer, RequestedCertificate)>, OrderFault> {
        let files = self.files.clone();
        let Some(requested) = blocking(move || files.requested()).await? else { return Ok(None) };
        if requested.counts(account.id(), &self.wish.domains, self.clock.now()) {
            match account.order(requested.url.clone()).await {
                Ok(mut order) => {
                    if has_request(&mut order) {
                        tracing::info!(order = requested.url, "a certificate that was requested before is fetched");
                        return Ok(Some((order, requested)));
                    }
                }
                Err(error) => {
                    let fault = OrderFault::from(error);
                    if !fault.is_final {
                        return Err(fault);
                    }
                }
            }
        }
        self.forget_requested().await;
        Ok(None)
    }

    async fn new_order(&self, account: &Account) -> Result<OrderAtServer, OrderFault> {
        let identifiers: Vec<Identifier> = self.wish.domains.iter().cloned().map(Identifier::Dns).collect();
        let error = match account.new_order(&NewOrder::new(&identifiers)).await {
            Ok(order) => return Ok(order),
            Err(error) => error,
        };
        // Of the domains, or of the account itself? One that the server has ended cannot be changed either (RFC 8555 section 7.3.6).
        if is_unauthorized(&error) {
            account.update_contacts(&self.contacts()).await.map_err(OrderFault::of_account)?;
        }
        Err(error.into())
    }

    /// The order with all domains proved, and what is requested of it. That is kept before the server hears of it: whatever happens
    /// then, the certificate can be fetched and need not be ordered again.
    async fn proved(
        &self,
        mut order: OrderAtServer,
        account: &str,
    ) -> Result<(OrderAtServer, RequestedCertificate), OrderFault> {
        let challenges = challenged(&mut order).await?;
        if !challenges.is_empty() {
            self.answer(challenges).await?;
            tokio::time::sleep(SHARED_WITHIN).await;
            let_look(&mut order).await?;
        }
        if order.poll_ready(&POLLED).await? != OrderStatus::Ready {
            return Err(why_refused(&mut order).await);
        }
        let requested = RequestedCertificate {
            account: account.to_owned(),
            url: order.url().to_owned(),
            domains: self.wish.domains.clone(),
            key: certificate_request::new_key().map_err(|error| OrderFault::own(&error))?,
            at_ms: self.clock.now().as_millis(),
        };
        let (files, kept) = (self.files.clone(), requested.clone());
        blocking(move || files.keep_requested(&kept)).await?;
        Ok((order, requested))
    }

    /// Requests what was kept, unless that has been done, fetches it, and keeps it in place of the present one.
    async fn fetched(
        &self,
        mut order: OrderAtServer,
        requested: &RequestedCertificate,
        entropy: &mut dyn Entropy,
    ) -> Result<HeldCertificate, OrderFault> {
        if order.state().status == OrderStatus::Ready {
            let request = certificate_request::of_key(&requested.key, &requested.domains);
            let request = request.map_err(|error| OrderFault { is_final: true, ..OrderFault::own(&error) })?;
            order.finalize_csr(&request).await?;
        }
        let chain = order.poll_certificate(&POLLED).await.map_err(OrderFault::of_download)?;
        self.keep(format!("{chain}\n{}", requested.key), entropy).await
    }

    /// Forgets what was requested: it has come, or never will.
    async fn forget_requested(&self) {
        let files = self.files.clone();
        if let Err(fault) = blocking(move || files.forget_requested()).await {
            tracing::warn!(why = fault.why, "a certificate that was requested may be fetched once more");
        }
    }

    fn contacts(&self) -> Vec<&str> {
        self.contact.iter().map(String::as_str).collect()
    }

    /// Whom we believe of servers.
    async fn tls(&self) -> Result<rustls::ClientConfig, OrderFault> {
        let set = self.authorities.clone();
        let roots = blocking(move || match set {
            Some(file) => authorities::of_files(&[file]).context("ingress.acme_authorities"),
            // Without any, the exchange fails with its reason.
            None => Ok(authorities::of_system().0),
        });
        let roots = roots.await.map_err(|fault| {
            OrderFault::refused(
                fault.why,
                "give ingress.acme_authorities a PEM file of authorities that ingress may read",
            )
        })?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Ok(tls.map_err(|error| OrderFault::own(&error))?.with_root_certificates(roots).with_no_client_auth())
    }

    /// Our account there; a new one if we have none with these settings (RFC 8555 section 7.3).
    async fn account(&self, client: AcmeServerClient) -> Result<Account, OrderFault> {
        let files = self.files.clone();
        // One that cannot be opened any more is made anew; what the disk does not tell is waited for.
        let kept = blocking(move || files.account());
        let is_ours = |kept: &KeptAccount| {
            kept.directory == self.wish.directory && kept.external_account == self.wish.external_account
        };
        let builder = Account::builder_with_http(Box::new(client));
        let contact = self.contacts();
        let Some(kept) = kept.await?.filter(is_ours) else {
            let asked = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
            let external = (!self.wish.external_account.is_empty())
                .then(|| ExternalAccountKey::new(self.wish.external_account.clone(), &self.external_key));
            let made = builder.create(&asked, self.wish.directory.clone(), external.as_ref()).await;
            let (account, credentials) = made.map_err(OrderFault::of_new_account)?;
            tracing::info!(account = account.id(), "an account at the ACME server has been made");
            self.keep_account(serde_json::to_value(&credentials).map_err(|error| OrderFault::own(&error))?).await?;
            return Ok(account);
        };
        let credentials = serde_json::from_value::<AccountCredentials>(kept.credentials.clone());
        let account = builder.from_credentials(credentials.map_err(|error| OrderFault::own(&error))?).await?;
        if kept.contact != self.contact {
            account.update_contacts(&contact).await.map_err(OrderFault::of_account)?;
            self.keep_account(kept.credentials).await?;
        }
        Ok(account)
    }

    async fn keep_account(&self, credentials: serde_json::Value) -> Result<(), OrderFault> {
        let account = KeptAccount {
            directory: self.wish.directory.clone(),
            external_account: self.wish.external_account.clone(),
            contact: self.contact.clone(),
            credentials,
        };
        let files = self.files.clone();
        blocking(move || files.keep_account(&account)).await
    }

    /// Has these challenges answered, here and by the other processes; those before are not any more.
    async fn answer(&self, challenges: Vec<AlpnChallenge>) -> Result<(), OrderFault> {
        self.challenges.replace(&challenges).map_err(|fault| OrderFault::own(&fault))?;
        let (files, until) = (self.files.clone(), self.clock.now() + ORDER_WITHIN);
        blocking(move || files.keep_challenges(&challenges, until)).await
    }

    /// Keeps what was issued, if it is what was ordered, with the time of its renewal.
    async fn keep(&self, pem: String, entropy: &mut dyn Entropy) -> Result<HeldCertificate, OrderFault> {
        let directory = self.wish.directory.clone();
        let mut certificate = IssuedCertificate { directory: directory.clone(), pem, renew_at_ms: 0 };
        let no_use = |what: String| {
            let remedy = "see whether this machine's clock is right, and what the authority issues";
            OrderFault { is_final: true, ..OrderFault::refused(format!("what was issued is no use: {what}"), remedy) }
        };
        let identity = self.issued.parsed(&certificate).map_err(|fault| no_use(fault.to_string()))?;
        let held = held(directory, &identity, 0);
        if !held.fits(&self.wish) || held.valid_to <= self.clock.now() {
            return Err(no_use(format!("it is for {} until {}", held.names.join(", "), held.valid_to)));
        }
        let renew_at = held.renewal_at_random(entropy);
        certificate.renew_at_ms = renew_at.as_millis();
        let issued = self.issued.clone();
        let written = blocking(move || {
            issued.write(&certificate)?;
            Ok(())
        });
        written.await?;
        Ok(HeldCertificate { renew_at, ..held })
    }
}

impl RequestedCertificate {
    /// Whether it is one of that account for these domains, and not too long ago.
    fn counts(&self, account: &str, domains: &[String], now: Timestamp) -> bool {
        let at = Timestamp::from_millis(self.at_ms);
        self.account == account && self.domains == domains && now < at + REQUESTED_FOR && at < now + REQUESTED_FOR
    }
}

/// Whether the server can have a certificate of that order, now or once it is finalized.
fn has_request(order: &mut OrderAtServer) -> bool {
    matches!(order.state().status, OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid)
}

/// What is known of the present certificate.
pub(super) fn present(present: &PresentIdentity) -> HeldCertificate {
    held(present.directory.clone(), &present.identity, present.renew_at_ms)
}

/// What is known of a certificate that was issued.
fn held(directory: String, identity: &Identity, renew_at_ms: u64) -> HeldCertificate {
    let at = |seconds: i64| Timestamp::from_millis(u64::try_from(seconds).unwrap_or_default() * 1_000);
    let (valid_from, valid_to) = (at(identity.valid_from()), at(identity.valid_to()));
    let renew_at = Timestamp::from_millis(renew_at_ms);
    HeldCertificate { directory, names: identity.names(), valid_from, valid_to, renew_at }
}

/// The challenges of an order, each of a domain that the account has not proved lately.
async fn challenged(order: &mut OrderAtServer) -> Result<Vec<AlpnChallenge>, OrderFault> {
    let mut challenges = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01).ok_or_else(|| {
            let why = "the server has no challenge tls-alpn-01, and ingress knows no other";
            OrderFault::refused(why, "order at a server that has it, or use ingress.certificates with another program")
        })?;
        let key_authorization = challenge.key_authorization();
        let digest = key_authorization.digest();
        let digest = <[u8; DIGEST_BYTES]>::try_from(digest.as_ref()).map_err(|error| OrderFault::own(&error))?;
        challenges.push(AlpnChallenge { domain: challenge.identifier().to_string(), digest });
    }
    Ok(challenges)
}

/// Lets the server look at our answers.
async fn let_look(order: &mut OrderAtServer) -> Result<(), OrderFault> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        if let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) {
            challenge.set_ready().await?;
        }
    }
    Ok(())
}

/// Why the server believes none of our answers: it tells that beside the first challenge that has failed.
async fn why_refused(order: &mut OrderAtServer) -> OrderFault {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { break };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return OrderFault::said(problem, Some(&state.identifier().to_string()));
        }
    }
    OrderFault::refused("the server has refused the order, and does not say why", "see what the authority says of it")
}

/// Work that waits for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> Result<T, OrderFault> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| OrderFault::own(&error))?;
    done.map_err(|fault| OrderFault::own(&format!("{fault:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_requested_counts_for_its_account_and_domains_and_some_days() {
        const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
        let domains = ["edge.example".to_owned()];
        let requested = RequestedCertificate {
            account: "https://ca.example/account/1".to_owned(),
            url: "https://ca.example/order/7".to_owned(),
            domains: domains.to_vec(),
            key: String::new(),
            at_ms: NOW.as_millis(),
        };
        assert!(requested.counts(&requested.account, &domains, NOW));
        assert!(requested.counts(&requested.account, &domains, NOW + REQUESTED_FOR - Duration::from_secs(1)));
        assert!(!requested.counts(&requested.account, &domains, NOW + REQUESTED_FOR));
        assert!(!requested.counts(&requested.account, &domains, NOW - REQUESTED_FOR), "the clock was wrong");
        assert!(!requested.counts("https://ca.example/account/2", &domains, NOW));
        assert!(!requested.counts(&requested.account, &[], NOW));
    }
}
