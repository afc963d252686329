//! The call centre definition file: what an administrator of an org imports there, so that the org knows the softphone. Its sections and
//! items are those of the Open CTI Developer Guide, "Call Center Definition Files".

use model::TenantId;

/// The longest internal name of a call centre, in signs.
const INTERNAL_NAME_MAX: usize = 40;

/// How large the softphone is, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SoftphoneSize {
    pub height: u32,
    pub width: u32,
}

/// The file of a tenant for the softphone at that origin, as `https://centre.example`.
pub(super) fn definition(tenant: &TenantId, origin: &str, size: SoftphoneSize) -> String {
    let SoftphoneSize { height, width } = size;
    let (internal, shown) = (internal_name(tenant), escaped(&format!("Trunkline {tenant}")));
    let adapter = escaped(&format!("{origin}/salesforce/softphone/{}", segment(tenant.as_str())));
    let items = [
        ("reqInternalName", "Internal Name", internal),
        ("reqDisplayName", "Display Name", shown),
        ("reqAdapterUrl", "CTI Adapter URL", adapter),
        ("reqUseApi", "Use CTI API", "true".to_owned()),
        ("reqSoftphoneHeight", "Softphone Height", height.to_string()),
        ("reqSoftphoneWidth", "Softphone Width", width.to_string()),
        ("reqSalesforceCompatibilityMode", "Salesforce Compatibility Mode", "Lightning".to_owned()),
    ];
    let mut file = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<callCenter>\n  \
                    <section sortOrder=\"0\" name=\"reqGeneralInfo\" label=\"General Information\">\n"
        .to_owned();
    for (order, (name, label, value)) in items.iter().enumerate() {
        file += &format!("    <item sortOrder=\"{order}\" name=\"{name}\" label=\"{label}\">{value}</item>\n");
    }
    file + "  </section>\n</callCenter>\n"
}

/// Letters and digits alone, a letter first: another name is refused there.
fn internal_name(tenant: &TenantId) -> String {
    let own = tenant.as_str().chars().filter(char::is_ascii_alphanumeric);
    "Trunkline".chars().chain(own).take(INTERNAL_NAME_MAX).collect()
}

/// A part of a path (RFC 3986 section 3.3).
fn segment(text: &str) -> String {
    let mut segment = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

/// A text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tenant: &str) -> String {
        let tenant = TenantId::parse(tenant).unwrap();
        definition(&tenant, "https://centre.example:8443", SoftphoneSize { height: 600, width: 480 })
    }

    #[test]
    fn an_org_learns_the_page_of_the_tenant_and_its_size() {
        let file = of("acme");
        for line in [
            r#"<item sortOrder="0" name="reqInternalName" label="Internal Name">Trunklineacme</item>"#,
            r#"<item sortOrder="1" name="reqDisplayName" label="Display Name">Trunkline acme</item>"#,
            r#"name="reqAdapterUrl" label="CTI Adapter URL">https://centre.example:8443/salesforce/softphone/acme</item>"#,
            r#"name="reqUseApi" label="Use CTI API">true</item>"#,
            r#"name="reqSoftphoneHeight" label="Softphone Height">600</item>"#,
            r#"name="reqSoftphoneWidth" label="Softphone Width">480</item>"#,
            r#"name="reqSalesforceCompatibilityMode" label="Salesforce Compatibility Mode">Lightning</item>"#,
        ] {
            assert!(file.contains(line), "{line}: {file}");
        }
        assert_eq!(file.matches("<item ").count(), file.matches("</item>").count());
    }

    #[test]
    fn a_tenant_is_one_part_of_the_address_whatever_its_id() {
        let file = of("a/b & <c>");
        assert!(file.contains("https://centre.example:8443/salesforce/softphone/a%2Fb%20%26%20%3Cc%3E<"), "{file}");
        assert!(file.contains(">Trunkline a/b &amp; &lt;c&gt;<"), "{file}");
    }

    #[test]
    fn an_internal_name_is_one_that_is_taken() {
        let long = internal_name(&TenantId::parse("a-tenant-whose-id-is-as-long-as-it-may-be-0123456789").unwrap());
        assert_eq!(long.len(), INTERNAL_NAME_MAX);
        assert!(long.starts_with("Trunkline") && long.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{long}");
    }
}
