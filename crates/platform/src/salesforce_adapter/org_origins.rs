//! Which of the origins that a tenant lets in are Salesforce orgs.

use crate::pages_client::is_this_machine;

/// Orgs of a tenant: each stands twice in the policy of the page.
const ORGS_MAX: usize = 20;
/// The most domains.
const DOMAINS_MAX: usize = 16;

/// The orgs of the setting of a tenant, which is origins with commas between, each once and in small letters. What is no origin, or of
/// another domain, is none; nor is what stands behind the first 20.
pub(super) fn of_setting(listed: &str, domains: &[String]) -> Vec<String> {
    let mut orgs: Vec<String> = Vec::new();
    for origin in listed.split(',').map(|origin| origin.trim().to_ascii_lowercase()) {
        if orgs.len() < ORGS_MAX && is_org(&origin, domains) && !orgs.contains(&origin) {
            orgs.push(origin);
        }
    }
    orgs
}

/// Whether it is the origin of a host of one of the domains, by HTTPS or on the browser's own machine. Nothing in it means more than itself
/// in a policy (CSP 3 section 2.3.1).
fn is_org(origin: &str, domains: &[String]) -> bool {
    let authority = match origin.split_once("://") {
        Some(("https", authority)) => authority,
        Some(("http", authority)) if is_this_machine(authority) => authority,
        _ => return false,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']');
    if authority.is_empty() || !authority.bytes().all(is_plain) {
        return false;
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => authority,
    };
    let is_of = |domain: &String| {
        let before = host.strip_suffix(domain.as_str());
        before.is_some_and(|before| before.is_empty() || before.len() > 1 && before.ends_with('.'))
    };
    domains.iter().any(is_of)
}

/// Checks the setting: names of domains in small letters.
pub(super) fn check_domains(domains: &[String]) -> Result<(), String> {
    let is_name = |name: &String| {
        let is_sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        !name.is_empty() && name.bytes().all(is_sign) && !name.starts_with('.') && !name.ends_with('.')
    };
    match domains.iter().find(|name| !is_name(name)) {
        Some(other) => Err(format!("{other:?} is no domain in small letters, as lightning.force.com")),
        None if domains.len() > DOMAINS_MAX => Err(format!("there are more than {DOMAINS_MAX}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn orgs_are_the_hosts_of_the_domains_among_the_origins_that_are_let_in() {
        let listed = "https://crm.example, https://Acme.lightning.force.com,https://acme.lightning.force.com, \
                      https://acme--test.sandbox.lightning.force.com";
        let orgs = of_setting(listed, &domains(&["lightning.force.com"]));
        assert_eq!(orgs, ["https://acme.lightning.force.com", "https://acme--test.sandbox.lightning.force.com"]);
        assert!(of_setting("", &domains(&["lightning.force.com"])).is_empty());
        assert!(of_setting(listed, &[]).is_empty());
    }

    #[test]
    fn what_only_looks_like_a_host_of_the_domain_is_no_org() {
        for not in [
            "http://acme.lightning.force.com",
            "https://evillightning.force.com",
            "https://.lightning.force.com",
            "https://acme.lightning.force.com.evil.example",
            "https://acme.lightning.force.com/x",
            "https://acme.lightning.force.com;script-src",
            "https://acme.lightning.force.com 'unsafe-inline'",
            "https://u@acme.lightning.force.com",
            "https://*.lightning.force.com",
            "https://",
            "acme.lightning.force.com",
            "*",
            "javascript:lightning.force.com",
        ] {
            assert!(of_setting(not, &domains(&["lightning.force.com"])).is_empty(), "{not}");
        }
    }

    #[test]
    fn a_page_of_this_machine_needs_no_tls_and_is_of_no_domain_by_that_alone() {
        let listed = "http://127.3.0.1:4410, http://localhost:4410";
        assert_eq!(of_setting(listed, &domains(&["127.3.0.1"])), ["http://127.3.0.1:4410"]);
        assert!(of_setting(listed, &domains(&["lightning.force.com"])).is_empty());
    }

    #[test]
    fn no_more_orgs_are_in_a_policy_than_fit() {
        let listed: Vec<String> = (0..50).map(|n| format!("https://a{n}.lightning.force.com")).collect();
        assert_eq!(of_setting(&listed.join(","), &domains(&["lightning.force.com"])).len(), ORGS_MAX);
    }

    #[test]
    fn a_domain_is_named_in_small_letters_without_a_star() {
        assert!(check_domains(&domains(&["lightning.force.com", "127.0.0.1"])).is_ok());
        for wrong in ["", ".force.com", "force.com.", "*.force.com", "https://force.com", "Force.com", "a b"] {
            assert!(check_domains(&domains(&[wrong])).is_err(), "{wrong}");
        }
        assert!(check_domains(&vec!["a.example".to_owned(); DOMAINS_MAX + 1]).is_err());
    }
}
