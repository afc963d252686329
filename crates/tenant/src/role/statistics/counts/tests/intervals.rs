//! What the end of an interval tells and writes, and what counts anew when the configuration changes.

use contracts::provisioning::DnKind;
use contracts::v1::statistic_time_profile::Kind;

use super::*;

/// The calls that the agent was offered in a sliding window.
pub(super) fn sliding(window_s: u32, step_s: u32) -> v1::StatisticRequest {
    let mut request = offered();
    let kind = Some(Kind::Sliding(v1::StatisticSlidingProfile { window_s, step_s }));
    request.definition.as_mut().unwrap().profile = Some(v1::StatisticTimeProfile { kind });
    request
}

#[test]
fn the_end_of_a_step_writes_nothing_and_looks_at_nothing_that_cannot_change() {
    let mut site = Site::new();
    let asked = vec![open(1, sliding(60, 5)), open(2, named("CallsHandled", "Agent", "1001"))];
    site.ask(0, asked, vec![]);
    assert_eq!(site.told(0).0, [(1, Told::Number(0)), (2, Told::Number(0))]);
    site.counts.has_been_kept(true);
    assert_eq!(site.counts.next_timeout(), Some(at(5)));
    site.counts.handle_timeout(at(5));
    assert_eq!((site.counts.has_news(STREAM), site.counts.is_kept()), (Some(false), true));
    assert_eq!(site.counts.next_timeout(), Some(at(10)));
    site.call(6, 1, EventName::CallCreated, |_| {});
    site.call(6, 1, EventName::Ringing, |event| {
        event.this_dn = Dn::parse("7101").ok();
        event.agent = AgentId::parse("1001").ok();
    });
    assert_eq!(site.told(7).0, [(1, Told::Number(1))]);
    assert!(!site.counts.is_kept(), "a fact is to be kept");
    site.counts.has_been_kept(true);
    site.counts.handle_timeout(at(65));
    assert_eq!(site.told(65).0, [(1, Told::Number(0))]);
    assert!(site.counts.is_kept());
}

#[test]
fn a_tenant_whose_day_began_earlier_by_its_new_clocks_counts_from_their_change() {
    let mut site = Site::new();
    site.handles(10, 1);
    site.ask(100, vec![open(1, named("CallsHandled", "Agent", "1001"))], vec![]);
    assert_eq!(site.told(100).0, [(1, Told::Number(1))]);
    site.configure_at(200, whole(|objects| objects.tenant.time_zone = Some("Asia/Tokyo".to_owned())), 9);
    assert_eq!(site.told(200).0, [(1, Told::Number(0))]);
    site.handles(300, 2);
    assert_eq!(site.told(400).0, [(1, Told::Number(1))]);
    let since = |site: &mut Site| site.peeked(400, named("CallsHandled", "Agent", "1001")).counts_since_us;
    assert_eq!(since(&mut site), Some(at(200).as_micros()));
    let (kept, position) = site.counts.kept();
    site.counts = TenantCounts::restore(kept, position);
    site.configure_at(500, whole(|objects| objects.tenant.time_zone = Some("Asia/Tokyo".to_owned())), 9);
    assert_eq!(since(&mut site), Some(at(200).as_micros()));
}

#[test]
fn other_service_levels_let_the_service_level_alone_count_anew_and_say_so() {
    let mut site = Site::new();
    let since = |site: &mut Site, name: &str| site.peeked(600, named(name, "RoutePoint", "9000")).counts_since_us;
    let midnight = Some(MIDNIGHT * 1_000_000);
    assert_eq!(since(&mut site, "ServiceLevel"), midnight);
    site.configure_at(
        500,
        whole(|objects| {
            for dn in &mut objects.dns {
                if let DnKind::RoutePoint { service_level_s, .. } = &mut dn.kind {
                    *service_level_s += 10;
                }
            }
        }),
        0,
    );
    assert_eq!(since(&mut site, "ServiceLevel"), Some(at(500).as_micros()));
    assert_eq!(since(&mut site, "CallsAnswered"), midnight);
    site.ask(600, vec![open(1, named("ServiceLevel", "RoutePoint", "9000"))], vec![]);
    assert_eq!(since(&mut site, "ServiceLevel"), Some(at(500).as_micros()));
}
