//! Who has answered a call, by the first seconds of what is heard: people say a word or two and wait, machines say more.

use model::answer::AnswerClass;

use crate::session::RecordedSpeech;
use crate::tone::{SAMPLE_RATE, power};

/// Samples of a frame: 20 ms.
const FRAME: usize = SAMPLE_RATE as usize / 50;
/// The longest greeting of a person, from the first sound to the last one before a pause, in frames: 1.5 s.
const GREETING_MAX: usize = 75;
/// The pause that ends a greeting, in frames: 0.8 s. A breath is shorter.
const PAUSE: usize = 40;
/// The root mean square of samples above which a frame is no silence: -40 dB of full scale.
const LOUD: f32 = 330.0;
/// The tones of a calling and of a called fax, in Hz (ITU-T T.30).
const FAX: [f32; 2] = [1_100.0, 2_100.0];
/// The share of a frame's power that a pure tone has which is off by 15 Hz, as T.30 allows: 0.74.
const PURE: f32 = 0.7;
/// Frames of a tone that make it one of a fax: 0.4 s.
const TONE_MIN: usize = 20;

/// The class of what was heard after the answer.
pub fn classify(heard: &RecordedSpeech) -> AnswerClass {
    let samples: Vec<f32> = heard.samples.iter().map(|sample| f32::from(*sample)).collect();
    let frames: Vec<&[f32]> = samples.chunks_exact(FRAME).collect();
    if FAX.iter().any(|hz| frames.iter().filter(|frame| has_tone(frame, *hz)).count() >= TONE_MIN) {
        return AnswerClass::Fax;
    }
    let loud: Vec<usize> =
        frames.iter().enumerate().filter(|(_, frame)| mean_power(frame) > LOUD * LOUD).map(|(at, _)| at).collect();
    match greeting(&loud) {
        None => AnswerClass::Silence,
        Some(length) if length > GREETING_MAX => AnswerClass::AnsweringMachine,
        Some(_) => AnswerClass::Human,
    }
}

/// The length of what is said first, in frames, by the places of the frames that are no silence.
fn greeting(loud: &[usize]) -> Option<usize> {
    let (first, mut last) = (*loud.first()?, *loud.first()?);
    for at in loud {
        if at - last > PAUSE {
            break;
        }
        last = *at;
    }
    Some(last - first + 1)
}

fn mean_power(frame: &[f32]) -> f32 {
    frame.iter().map(|sample| sample * sample).sum::<f32>() / frame.len() as f32
}

/// Whether a frame is this tone.
fn has_tone(frame: &[f32], hz: f32) -> bool {
    let total = mean_power(frame);
    total > LOUD * LOUD && power(frame, hz) >= PURE * total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::RecordingEnd;
    use crate::tone::pair;

    /// What is heard: tones as loud as speech, and pauses, each so many milliseconds long.
    fn class(parts: &[(u16, u32)]) -> AnswerClass {
        let sound = |(hz, ms): &(u16, u32)| pair(*hz, hz.saturating_mul(2), *ms, if *hz > 0 { 6_000 } else { 0 });
        let samples: Vec<i16> = parts.iter().flat_map(sound).collect();
        classify(&RecordedSpeech { end: RecordingEnd::Silence, samples: samples.into() })
    }

    #[test]
    fn a_word_and_a_pause_is_a_person_and_a_long_text_a_machine() {
        assert_eq!(class(&[(0, 500), (300, 600), (0, 900)]), AnswerClass::Human);
        assert_eq!(class(&[(300, 400), (0, 300), (400, 500), (0, 900)]), AnswerClass::Human, "two words");
        assert_eq!(class(&[(0, 200), (300, 3_800)]), AnswerClass::AnsweringMachine);
        assert_eq!(
            class(&[(300, 800), (0, 400), (300, 800), (0, 900)]),
            AnswerClass::AnsweringMachine,
            "with a breath"
        );
        assert_eq!(class(&[(300, 500), (0, 1_200), (300, 2_000)]), AnswerClass::Human, "that one asks who is there");
        assert_eq!(class(&[(0, 4_000)]), AnswerClass::Silence);
        assert_eq!(class(&[]), AnswerClass::Silence);
    }

    #[test]
    fn a_fax_is_known_by_its_tone() {
        let tone = |hz: u16| {
            let samples = [pair(0, 0, 500, 0), pair(hz, hz, 1_500, 6_000)].concat();
            classify(&RecordedSpeech { end: RecordingEnd::Longest, samples: samples.into() })
        };
        for hz in [2_100, 2_085, 2_115, 1_100, 1_110] {
            assert_eq!(tone(hz), AnswerClass::Fax, "{hz} Hz");
        }
        assert_eq!(tone(425), AnswerClass::Human, "a beep is none");
    }
}
