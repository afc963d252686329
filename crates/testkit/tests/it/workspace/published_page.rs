//! The desktop's page: it comes from gws-workspace by gws-proxy (gws-06), at both of its addresses, for whoever asks.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::visitor::CurlAnswer;
use testkit::{Installation, Visitor, wait};

use crate::carried::carried;

const SOON: Duration = Duration::from_secs(45);
/// Our address, and the one that GWS has for such a page.
const ADDRESSES: [&str; 2] = ["/desktop", "/ui/wwe"];

/// The files that a page loads at first, by the paths that it has for them.
fn loaded_by(page: &str) -> Vec<&str> {
    let texts = page.split('"').skip(1).step_by(2);
    texts.filter(|text| text.ends_with(".js") || text.ends_with(".css")).collect()
}

#[test]
fn the_desktop_comes_whole_from_the_role_of_desktops_at_both_addresses() -> Result<()> {
    let site = Installation::start()?;
    let nobody = Visitor::new(&site)?;
    let file = |path: &str| -> Result<CurlAnswer> {
        let answer = nobody.ask(path, &[])?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        Ok(answer)
    };
    let start = file("/")?;
    let before = carried(&site, "gws-proxy", "gws-workspace", 8_080)?;
    let mut bytes = 0;
    for address in ADDRESSES {
        let page = file(address)?;
        for header in ["content-type", "content-security-policy", "etag", "cache-control"] {
            ensure!(page.header(header).is_some() && page.header(header) == start.header(header), "{}", page.head);
        }
        ensure!(file(&format!("{address}/"))?.body == page.body, "{address}/ is another page");
        ensure!(!loaded_by(&page.body).is_empty(), "nothing is loaded: {}", page.body);
        for (own, path) in loaded_by(&start.body).into_iter().zip(loaded_by(&page.body)) {
            ensure!(path == format!("{address}{own}"), "{path} is not below {address}");
            let loaded = file(path)?;
            ensure!(loaded.body == file(own)?.body, "{path} is another file than {own}");
            bytes += u64::try_from(loaded.body.len())?;
        }
        ensure!(nobody.ask(address, &["--request", "POST"])?.status == 405, "{address} takes what is sent");
        let made_up = nobody.ask(&format!("{address}/assets/nothing.js"), &[])?;
        ensure!(made_up.status == 404, "a file is made up: {}", made_up.status);
    }
    let mut now = before;
    wait::until(SOON, || {
        now = carried(&site, "gws-proxy", "gws-workspace", 8_080)?;
        Ok((now.received >= before.received + bytes).then_some(()))
    })
    .with_context(|| format!("gws-06: {before:?}, then {now:?}, {bytes} bytes are due"))?;
    let unopened = nobody.ask("/workspace/v3/current-session", &[])?;
    ensure!(unopened.status == 403, "the page opens the API: {}", unopened.status);
    Ok(())
}
