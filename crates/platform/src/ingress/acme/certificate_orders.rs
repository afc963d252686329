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
use net::tls::alpn_challenges::{AlpnChallenge, AlpnChallenges, DIGEST_BYTES};
use net::tls::authorities;
use net::tls::identity::Identity;
use net::tls::issued_identity::{IssuedCertificate, IssuedIdentity};

use super::kept::{AcmeFiles, KeptAccount};
use super::order_fault::OrderFault;
use super::schedule::{CertificateWish, HeldCertificate};
use super::server_client::AcmeServerClient;

/// How long an order may take.
pub(super) const ORDER_WITHIN: Duration = Duration::from_secs(300);
/// How the server is asked whether it is done: first after a second.
const POLLED: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_secs(1)).backoff(1.5).timeout(Duration::from_secs(120));
/// How long it takes until every process of the installation answers challenges: each looks at them once a second.
const SHARED_WITHIN: Duration = Duration::from_secs(3);

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
    /// Orders a certificate, and keeps it in place of the present one.
    pub async fn order(&self) -> Result<HeldCertificate, OrderFault> {
        let client = AcmeServerClient::new(self.tls().await?, self.clock.clone());
        let ordered = tokio::time::timeout(ORDER_WITHIN, self.ordered(client.clone())).await;
        let ordered = ordered.unwrap_or_else(|_| Err(OrderFault::late(ORDER_WITHIN)));
        // Whatever has come of it, nobody is to look again.
        if let Err(fault) = self.answer(Vec::new()).await {
            tracing::warn!(why = fault.why, "challenges of an order that has ended are answered for some minutes more");
        }
        let fault = match ordered {
            Ok(held) => return Ok(held),
            Err(fault) => OrderFault { retry_after: client.asked_wait(), ..fault },
        };
        if fault.lacks_account {
            let files = self.files.clone();
            blocking(move || files.forget_account()).await?;
        }
        Err(fault)
    }

    async fn ordered(&self, client: AcmeServerClient) -> Result<HeldCertificate, OrderFault> {
        let account = self.account(client).await?;
        let identifiers: Vec<Identifier> = self.wish.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
        let challenges = challenged(&mut order).await?;
        if !challenges.is_empty() {
            self.answer(challenges).await?;
            tokio::time::sleep(SHARED_WITHIN).await;
            let_look(&mut order).await?;
        }
        if order.poll_ready(&POLLED).await? != OrderStatus::Ready {
            return Err(why_refused(&mut order).await);
        }
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&POLLED).await?;
        self.keep(format!("{chain}\n{key}")).await
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
        let kept = blocking(move || {
            // One that cannot be opened any more is made anew.
            files.account().or_else(|fault| {
                tracing::warn!("the account at the ACME server is made anew: {fault:#}");
                Ok(None)
            })
        });
        let is_ours = |kept: &KeptAccount| {
            kept.directory == self.wish.directory && kept.external_account == self.wish.external_account
        };
        let builder = Account::builder_with_http(Box::new(client));
        let contact: Vec<&str> = self.contact.iter().map(String::as_str).collect();
        let Some(kept) = kept.await?.filter(is_ours) else {
            let asked = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
            let external = (!self.wish.external_account.is_empty())
                .then(|| ExternalAccountKey::new(self.wish.external_account.clone(), &self.external_key));
            let made = builder.create(&asked, self.wish.directory.clone(), external.as_ref()).await?;
            let (account, credentials) = made;
            tracing::info!(account = account.id(), "an account at the ACME server has been made");
            self.keep_account(serde_json::to_value(&credentials).map_err(|error| OrderFault::own(&error))?).await?;
            return Ok(account);
        };
        let credentials = serde_json::from_value::<AccountCredentials>(kept.credentials.clone());
        let account = builder.from_credentials(credentials.map_err(|error| OrderFault::own(&error))?).await?;
        if kept.contact != self.contact {
            account.update_contacts(&contact).await?;
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

    /// Keeps what was issued, if it is what was ordered.
    async fn keep(&self, pem: String) -> Result<HeldCertificate, OrderFault> {
        let (issued, wish, now) = (self.issued.clone(), self.wish.clone(), self.clock.now());
        let certificate = IssuedCertificate { directory: wish.directory.clone(), pem };
        let kept = blocking(move || {
            let held = held(wish.directory.clone(), &issued.parsed(&certificate)?);
            if !held.fits(&wish) || held.valid_to <= now {
                return Ok(Err(held));
            }
            issued.write(&certificate)?;
            Ok(Ok(held))
        });
        kept.await?.map_err(|held: HeldCertificate| {
            let why = format!("what was issued is no use: it is for {} until {}", held.names.join(", "), held.valid_to);
            OrderFault::refused(why, "see whether this machine's clock is right, and what the authority issues")
        })
    }
}

/// What is known of a certificate that was issued.
pub(super) fn held(directory: String, identity: &Identity) -> HeldCertificate {
    let at = |seconds: i64| model::Timestamp::from_millis(u64::try_from(seconds).unwrap_or_default() * 1_000);
    let (valid_from, valid_to) = (at(identity.valid_from()), at(identity.valid_to()));
    HeldCertificate { directory, names: identity.names(), valid_from, valid_to }
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
