//! Certificates of HTTPS that an ACME server issues (RFC 8555), by the challenge `tls-alpn-01` (RFC 8737) on the listener itself. When one
//! is ordered is decided in `schedule`; account, certificate and challenges are shared by the processes of the installation (`kept`), of
//! which one at a time orders (`renewals`).

mod certificate_orders;
mod kept;
mod order_fault;
mod renewals;
mod schedule;
mod server_client;

use std::path::Path;

use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;
use net::tls::alpn_challenges::AlpnChallenges;
use net::tls::identity::{Identity, IdentityFault};
use net::tls::issued_identity::IssuedIdentity;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use runtime::installation_key::InstallationKey;
use runtime::metrics::{CounterBy, GaugeIfKnown};
use runtime::settings::Secret;

use super::Settings;
use certificate_orders::CertificateOrders;
use kept::AcmeFiles;
use order_fault::OrderOutcome;
use renewals::Renewals;
use schedule::{CertificateWish, RenewalStep};

/// The longest URL of a directory, and of a contact, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// The most domains of a certificate: public authorities take no more.
const DOMAINS_MAX: usize = 100;
/// The longest name of a host, and the longest label of it, in bytes (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;
/// The most contacts.
const CONTACTS_MAX: usize = 10;
/// The fewest bytes of an external account's key: a shorter one is no key for HMAC-SHA256 (RFC 7518 section 3.2 wants 32, some give 16).
const EXTERNAL_KEY_BYTES_MIN: usize = 16;

runtime::metrics! {
    /// Metrics of certificates that are ordered by ACME.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Orders of a certificate at the ACME server, by how they ended.
        orders: CounterBy<OrderOutcome> = "ingress_acme_orders";
        /// 1 while the last order of a certificate has failed, or none can begin. It is tried again by itself; the log says why and what to
        /// do.
        failing: Gauge = "ingress_acme_failing";
        /// When the next certificate is to be ordered, in seconds of Unix time; no value where none is ordered.
        next: GaugeIfKnown = "ingress_acme_next_order_seconds";
    }
}

/// What the listener needs of the orders.
pub(super) struct AcmeAtEdge {
    /// Where what was issued is kept.
    pub issued: IssuedIdentity,
    /// The challenges that it answers.
    pub challenges: AlpnChallenges,
    orders: CertificateOrders,
    metrics: Metrics,
}

impl AcmeAtEdge {
    /// As the settings want it; `None` if they name no server.
    pub fn of_role(ctx: &RoleContext, settings: &Settings) -> Option<Self> {
        // Registered in any case: the reference of metrics promises them.
        let metrics = Metrics::register(&ctx.metrics);
        let wish = wish(settings)?;
        let issued = IssuedIdentity::of_installation(&ctx.data_dir, ctx.installation_key.clone());
        let challenges = AlpnChallenges::default();
        let orders = CertificateOrders {
            wish,
            contact: settings.acme_contact.clone(),
            external_key: external_key(&settings.acme_external_key).unwrap_or_default(),
            authorities: settings.acme_authorities.clone(),
            files: AcmeFiles::of_installation(&ctx.data_dir, ctx.installation_key.clone()),
            issued: issued.clone(),
            challenges: challenges.clone(),
            clock: ctx.clock.clone(),
        };
        Some(Self { issued, challenges, orders, metrics })
    }

    /// Begins to order, once the listener answers challenges.
    pub fn begin(self, ctx: &RoleContext) {
        let answers = renewals::answer_challenges(ctx.clone(), self.orders.files.clone(), self.challenges);
        ctx.spawn("challenges of ACME", answers);
        ctx.spawn("certificates by ACME", Renewals::new(ctx.clone(), self.orders, self.metrics).run());
    }
}

/// The certificate that the settings want; `None` if they name no server.
fn wish(settings: &Settings) -> Option<CertificateWish> {
    (!settings.acme_directory.is_empty()).then(|| CertificateWish {
        directory: settings.acme_directory.clone(),
        domains: settings.acme_domains.clone(),
        external_account: settings.acme_external_account.clone(),
        means: means(settings),
        first_wait: settings.acme_first_wait,
    })
}

/// A digest of what a certificate is ordered with beside its server, account and domains. The key is in it, and not to be had from it.
fn means(settings: &Settings) -> String {
    let authorities = settings.acme_authorities.as_ref().map(|file| file.to_string_lossy().into_owned());
    let parts = [
        settings.acme_contact.join(" "),
        settings.acme_external_key.expose().to_owned(),
        authorities.unwrap_or_default(),
    ];
    URL_SAFE_NO_PAD.encode(digest(&SHA256, parts.join("\n").as_bytes()))
}

/// What is known of a certificate that is ordered, for whoever checks it.
pub struct OrderedCertificate {
    /// The present one; none if none has been issued yet.
    pub issued: Result<Option<Identity>, IdentityFault>,
    /// Whether it is for all domains that the settings name, by the server that they name.
    pub is_wanted: bool,
    /// Why the last order has failed, and how often one has in a row; none after a success.
    pub failing: Option<(String, u32)>,
}

/// Looks at it in the data directory; `None` if the settings name no server.
pub(super) fn ordered(
    settings: &Settings,
    data_dir: &Path,
    key: &InstallationKey,
    now: Timestamp,
) -> Option<OrderedCertificate> {
    let wish = wish(settings)?;
    let history = AcmeFiles::of_installation(data_dir, key.clone()).history().unwrap_or_default();
    let read = IssuedIdentity::of_installation(data_dir, key.clone()).read();
    let held = read.as_ref().ok().and_then(Option::as_ref).map(certificate_orders::present);
    Some(OrderedCertificate {
        is_wanted: held.as_ref().is_some_and(|held| held.fits(&wish)),
        failing: history.failing(&wish, held.as_ref(), now),
        issued: read.map(|present| present.map(|present| present.identity)),
    })
}

/// When a certificate is ordered for which somebody does not want to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderTurn {
    /// Within seconds, by a running ingress.
    Now,
    /// Not before that: the ACME server has asked for it.
    AskedToWait(Timestamp),
    /// At that time: the present one is what the settings want, and good until long after.
    NotDue(Timestamp),
}

/// Ends the waits of ours before the next order, and none that the server has asked for; `None` if the settings name no server.
///
/// # Errors
/// If the files cannot be read or written.
pub(super) fn order_at_once(
    settings: &Settings,
    data_dir: &Path,
    key: &InstallationKey,
    now: Timestamp,
) -> Result<Option<OrderTurn>> {
    let Some(wish) = wish(settings) else { return Ok(None) };
    let files = AcmeFiles::of_installation(data_dir, key.clone());
    let held = match IssuedIdentity::of_installation(data_dir, key.clone()).read() {
        Ok(present) => present.as_ref().map(certificate_orders::present),
        Err(fault) if fault.is_unreadable() => return Err(fault.into()),
        // It is ordered again.
        Err(_) => None,
    };
    if let Some(held) = held.as_ref().filter(|held| held.suffices(&wish, now)) {
        return Ok(Some(OrderTurn::NotDue(held.renewal())));
    }
    let history = files.history()?.at_once(&wish);
    files.keep_history(&history)?;
    Ok(Some(match schedule::next_step(&wish, held.as_ref(), &history, now) {
        RenewalStep::Order(_) => OrderTurn::Now,
        RenewalStep::Wait(until) => OrderTurn::AskedToWait(until),
    }))
}

// === checks of the settings ===

/// Checks the URL of a directory.
pub(super) fn check_directory(url: &str) -> Result<(), String> {
    if url.is_empty() {
        return Ok(());
    }
    let uri: Option<Uri> = (url.len() <= URL_BYTES_MAX).then(|| url.parse().ok()).flatten();
    let is_sound = uri.is_some_and(|uri| {
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        uri.scheme_str() == Some("https") && !authority.is_empty() && !authority.contains('@')
    });
    if is_sound { Ok(()) } else { Err("it must be a URL that begins with https://".to_owned()) }
}

/// Checks whom the authority writes to.
pub(super) fn check_contacts(contacts: &[String]) -> Result<(), String> {
    let is_address = |contact: &String| {
        let address = contact.strip_prefix("mailto:").and_then(|address| address.split_once('@'));
        let is_whole = address.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        is_whole && contact.is_ascii() && contact.len() <= URL_BYTES_MAX && !contact.contains(['?', ',', ' '])
    };
    if contacts.len() > CONTACTS_MAX {
        return Err(format!("there are more than {CONTACTS_MAX}"));
    }
    if contacts.iter().all(is_address) { Ok(()) } else { Err("each must be as mailto:edge@acme.example".to_owned()) }
}

/// Checks the domains of the certificate.
pub(super) fn check_domains(domains: &[String]) -> Result<(), String> {
    if domains.len() > DOMAINS_MAX {
        return Err(format!("there are more than {DOMAINS_MAX}"));
    }
    match domains.iter().find(|domain| !is_host(domain)) {
        None => Ok(()),
        // A challenge by TLS proves one host.
        Some(other) => Err(format!("{other:?} is no name of a host, in small letters and without `*`")),
    }
}

/// Whether it is the name of a host, and no address.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(is_plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= HOST_BYTES_MAX && name.contains('.') && name.split('.').all(is_label) && !is_address
}

/// Checks the key of an external account.
pub(super) fn check_external_key(key: &Secret) -> Result<(), String> {
    match external_key(key) {
        Some(key) if key.is_empty() || key.len() >= EXTERNAL_KEY_BYTES_MIN => Ok(()),
        _ => Err(format!("it must be base64url of at least {EXTERNAL_KEY_BYTES_MIN} bytes, as the authority gives it")),
    }
}

/// The key of an external account, from base64url or base64, with or without its end.
fn external_key(key: &Secret) -> Option<Vec<u8>> {
    let text = key.expose().trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Checks what a server needs beside its URL.
pub(super) fn check_together(settings: &Settings) -> Result<(), String> {
    if settings.acme_directory.is_empty() {
        return Ok(());
    }
    if settings.acme_domains.is_empty() {
        return Err("it needs ingress.acme_domains, the names that the certificate is for".to_owned());
    }
    if !settings.acme_terms_agreed {
        return Err("read the authority's terms of service, and agree by ingress.acme_terms_agreed = true".to_owned());
    }
    if settings.acme_external_account.is_empty() != settings.acme_external_key.expose().is_empty() {
        return Err("ingress.acme_external_account and ingress.acme_external_key go together".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_no_server_would_take_are_refused_with_their_rule() {
        for good in ["", "https://acme-v02.api.letsencrypt.org/directory", "https://192.0.2.1:14000/dir"] {
            assert_eq!(check_directory(good), Ok(()), "{good}");
        }
        for wrong in
            ["http://ca.example/directory", "ca.example", "https://", "https://ann:x@ca.example/", "https://a b/"]
        {
            assert!(check_directory(wrong).is_err(), "{wrong}");
        }
        let one = |text: &str| vec![text.to_owned()];
        for good in ["edge.example", "a-1.b.example", "xn--bcher-kva.example"] {
            assert_eq!(check_domains(&one(good)), Ok(()), "{good}");
        }
        for wrong in
            ["*.example", "Edge.example", "192.0.2.1", "edge", "", "a..b", "-a.example", "a_b.example", "2001:db8::1"]
        {
            assert!(check_domains(&one(wrong)).unwrap_err().contains("name of a host"), "{wrong}");
        }
        assert!(check_domains(&vec!["edge.example".to_owned(); DOMAINS_MAX + 1]).is_err());
        assert_eq!(check_contacts(&one("mailto:edge@acme.example")), Ok(()));
        for wrong in ["edge@acme.example", "mailto:", "mailto:@acme.example", "tel:1", "mailto:a@b,c@d"] {
            assert!(check_contacts(&one(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_of_an_external_account_is_read_as_authorities_write_it() {
        let read = |text: &str| external_key(&Secret::new(text));
        let bytes: Vec<u8> = (0..32).map(|at| 255 - at).collect();
        let url_safe = URL_SAFE_NO_PAD.encode(&bytes);
        assert_eq!(read(&url_safe).as_ref(), Some(&bytes));
        assert_eq!(read(&format!("{}=", url_safe.replace('-', "+").replace('_', "/"))), Some(bytes));
        assert_eq!(check_external_key(&Secret::new("")), Ok(()));
        for wrong in ["c2hvcnQ", "not base64 at all"] {
            assert!(!check_external_key(&Secret::new(wrong)).unwrap_err().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn with_another_contact_key_or_authority_it_is_another_try_and_the_key_is_not_told() {
        let base = Settings { acme_external_key: Secret::new("c2VjcmV0IG9mIGEgdGVzdA"), ..Settings::default() };
        let others = [
            Settings { acme_contact: vec!["mailto:edge@acme.example".to_owned()], ..base.clone() },
            Settings { acme_external_key: Secret::new("YW5vdGhlciBzZWNyZXQ"), ..base.clone() },
            Settings { acme_authorities: Some("/etc/ca.pem".into()), ..base.clone() },
        ];
        assert_eq!(means(&base), means(&base.clone()));
        assert!(others.iter().all(|other| means(other) != means(&base)));
        assert!(!means(&base).contains("c2VjcmV0"));
    }

    #[test]
    fn whoever_has_mended_the_cause_waits_for_the_server_alone() {
        let (folder, key) = (tempfile::tempdir().unwrap(), InstallationKey::from_bytes([7; 32]));
        let now = Timestamp::from_millis(1_800_000_000_000);
        let hour = std::time::Duration::from_secs(3_600);
        let settings = Settings { acme_directory: "https://ca.example/directory".to_owned(), ..Settings::default() };
        let turn = |settings: &Settings| order_at_once(settings, folder.path(), &key, now).unwrap();
        assert_eq!(turn(&Settings::default()), None, "none is ordered");
        let files = AcmeFiles::of_installation(folder.path(), key.clone());
        let fails = |retry_after| {
            let failure = schedule::OrderFailure { is_unreached: false, retry_after, why: "away".to_owned() };
            let entropy = &mut model::entropy::Seeded::new(1);
            let failed = schedule::OrderHistory::default().failed(&wish(&settings).unwrap(), failure, now, entropy);
            files.keep_history(&failed).unwrap();
        };
        fails(None);
        assert_eq!(turn(&settings), Some(OrderTurn::Now));
        fails(Some(hour));
        assert_eq!(turn(&settings), Some(OrderTurn::AskedToWait(now + hour)));
        let failing = ordered(&settings, folder.path(), &key, now).unwrap().failing;
        assert_eq!(failing, Some(("away".to_owned(), 1)), "it has not succeeded yet");
    }

    #[test]
    fn a_server_needs_domains_and_somebody_who_has_agreed_to_its_terms() {
        let base = Settings {
            acme_directory: "https://ca.example/directory".to_owned(),
            acme_domains: vec!["edge.example".to_owned()],
            acme_terms_agreed: true,
            ..Settings::default()
        };
        assert_eq!(check_together(&base), Ok(()));
        assert_eq!(check_together(&Settings::default()), Ok(()), "none is ordered");
        let none = Settings { acme_domains: Vec::new(), ..base.clone() };
        assert!(check_together(&none).unwrap_err().contains("ingress.acme_domains"));
        let unread = Settings { acme_terms_agreed: false, ..base.clone() };
        assert!(check_together(&unread).unwrap_err().contains("ingress.acme_terms_agreed"));
        let half = Settings { acme_external_account: "kid-1".to_owned(), ..base };
        assert!(check_together(&half).unwrap_err().contains("ingress.acme_external_key"));
    }
}
