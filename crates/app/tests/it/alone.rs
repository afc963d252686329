//! A role whose peers do not answer.

use std::time::Duration;

use crate::binary::Site;

#[test]
fn a_sip_proxy_without_nodes_and_config_waits_without_using_the_processor() {
    let site = Site::new();
    // It retries twice a second, and logs it at debug level.
    let detailed = ["run", "sip-proxy", "--set", "process.log=info,net=debug"];
    let running = site.start_until(&detailed, "config still does not answer", 8);
    let used = running.cpu_time();
    assert!(used < Duration::from_secs(1), "{used:?}");
    assert_eq!(running.terminate(), 0);
}
