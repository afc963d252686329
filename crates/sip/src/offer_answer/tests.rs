use super::*;

fn sdp(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

#[test]
fn each_pattern_of_rfc_6337_table_1_ends_stable() {
    use Carrier::{Ack, Invite, Prack, PrackSuccess, ReliableProvisional, Success, Update, UpdateSuccess};
    let patterns: [(Option<Carrier>, Carrier, Carrier); 6] = [
        (None, Invite, Success),
        (Some(Invite), Success, Ack),
        (None, Invite, ReliableProvisional),
        (Some(Invite), ReliableProvisional, Prack),
        (None, Prack, PrackSuccess),
        (None, Update, UpdateSuccess),
    ];
    for (solicitation, offer, answer) in patterns {
        let mut ours = OfferAnswer::default();
        let mut theirs = OfferAnswer::default();
        let (offerer, answerer) = if solicitation.is_some() {
            assert_eq!(ours.sent(Invite, None), Ok(Meaning::Solicitation));
            assert_eq!(theirs.received(Invite, None), Ok(Meaning::Solicitation));
            (&mut theirs, &mut ours)
        } else {
            (&mut ours, &mut theirs)
        };
        assert_eq!(offerer.sent(offer, sdp("o").as_ref()), Ok(Meaning::Offer), "{offer:?}");
        assert_eq!(answerer.received(offer, sdp("o").as_ref()), Ok(Meaning::Offer), "{offer:?}");
        assert_eq!(answerer.sent(answer, sdp("a").as_ref()), Ok(Meaning::Answer), "{answer:?}");
        assert_eq!(offerer.received(answer, sdp("a").as_ref()), Ok(Meaning::Answer), "{answer:?}");
        assert_eq!((offerer.phase(), answerer.phase()), (Phase::Stable, Phase::Stable));
        assert_eq!((offerer.local(), offerer.remote()), (sdp("o").as_ref(), sdp("a").as_ref()));
        assert_eq!((answerer.local(), answerer.remote()), (sdp("a").as_ref(), sdp("o").as_ref()));
    }
}

#[test]
fn an_unreliable_provisional_previews_and_the_2xx_answers() {
    let mut caller = OfferAnswer::default();
    caller.sent(Carrier::Invite, sdp("o").as_ref()).unwrap();
    assert_eq!(caller.received(Carrier::Provisional, sdp("a").as_ref()), Ok(Meaning::Preview));
    assert_eq!(caller.received(Carrier::Success, sdp("a").as_ref()), Ok(Meaning::Answer));
}

#[test]
fn a_2xx_after_a_reliable_answer_repeats_it_for_nothing() {
    let mut caller = OfferAnswer::default();
    caller.sent(Carrier::Invite, sdp("o").as_ref()).unwrap();
    caller.received(Carrier::ReliableProvisional, sdp("a").as_ref()).unwrap();
    assert_eq!(caller.received(Carrier::Success, sdp("x").as_ref()), Ok(Meaning::Nothing));
    assert_eq!(caller.remote(), sdp("a").as_ref());
}

#[test]
fn two_offers_at_once_are_glare_or_busy() {
    let mut end = OfferAnswer::default();
    end.sent(Carrier::Update, sdp("o").as_ref()).unwrap();
    assert_eq!(end.received(Carrier::Update, sdp("p").as_ref()), Err(OfferAnswerError::Glare));
    let mut end = OfferAnswer::default();
    end.received(Carrier::Update, sdp("o").as_ref()).unwrap();
    assert_eq!(end.received(Carrier::Update, sdp("p").as_ref()), Err(OfferAnswerError::Busy));
}

#[test]
fn a_missing_answer_is_a_violation() {
    let mut end = OfferAnswer::default();
    end.sent(Carrier::Invite, sdp("o").as_ref()).unwrap();
    assert_eq!(end.received(Carrier::Success, None), Err(OfferAnswerError::AnswerMissing));
}

#[test]
fn a_failed_exchange_leaves_the_session_as_it_was() {
    let mut end = OfferAnswer::default();
    end.sent(Carrier::Invite, sdp("o").as_ref()).unwrap();
    end.received(Carrier::Success, sdp("a").as_ref()).unwrap();
    end.received(Carrier::Invite, sdp("o2").as_ref()).unwrap();
    end.abandon();
    assert_eq!((end.phase(), end.local(), end.remote()), (Phase::Stable, sdp("o").as_ref(), sdp("a").as_ref()));
}
