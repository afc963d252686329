//! A replica that ends: its phones go one after the other.

use super::*;

const PHONES: u64 = 1_000;

impl Lab {
    /// How many WebSockets were closed since this was asked last.
    fn closed(&mut self) -> usize {
        let closes = |output: &GatewayOutput| matches!(output, GatewayOutput::Close(_));
        std::mem::take(&mut self.others).into_iter().filter(closes).count()
    }

    /// With phones that end so soon.
    fn ends_within(time: Duration) -> Self {
        let mut lab = Self::new();
        for number in 100..100 + PHONES {
            lab.opens(number, Some(holder(&number.to_string())));
        }
        lab.others.clear();
        for _ in 0..3 {
            lab.gateway.drain(lab.now + time, lab.now);
        }
        lab
    }
}

#[test]
fn phones_are_let_go_one_after_the_other() {
    let mut lab = Lab::ends_within(Duration::from_secs(30));
    lab.pass(Duration::from_millis(500));
    let first = lab.closed();
    assert!((450..=550).contains(&first), "{first}");
    assert!(!lab.gateway.is_idle());
    lab.pass(Duration::from_secs(1));
    assert_eq!((first + lab.closed(), lab.gateway.sizes()), (1_000, (0, 0)));
    assert!(lab.gateway.is_idle());
    lab.opens(7, None);
    assert_eq!(lab.closed(), 1, "nothing begins here");
}

#[test]
fn where_time_is_short_phones_go_sooner() {
    let mut lab = Lab::ends_within(Duration::from_millis(400));
    lab.pass(Duration::from_millis(250));
    assert_eq!(lab.closed(), 1_000);
}

#[test]
fn a_phone_that_rings_goes_once_it_has_answered_and_one_that_has_gone_is_not_waited_for() {
    let mut lab = Lab::new();
    let name = lab.registered(7);
    lab.opens(8, Some(holder("tab")));
    let other = lab.registers(8, 2);
    lab.hear_proxy(&to_phone("INVITE", &name, ""));
    let (_, rings) = lab.told();
    lab.others.clear();
    lab.gateway.drain(lab.now + Duration::from_secs(30), lab.now);
    lab.pass(Duration::from_secs(1));
    assert_eq!(lab.others, [GatewayOutput::Close(socket(8))]);
    assert!(!lab.gateway.is_idle(), "somebody may answer");
    lab.hear_proxy(&to_phone("INFO", &other, "mine"));
    lab.by(7, Message::response_to(&rings, StatusCode::OK).to_tag("mine").build());
    lab.pass(Duration::from_secs(1));
    assert_eq!(lab.others, [GatewayOutput::Close(socket(8)), GatewayOutput::Close(socket(7))]);
    assert!(lab.gateway.is_idle());
}
