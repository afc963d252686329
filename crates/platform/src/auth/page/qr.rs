//! QR codes as SVG within the page: the policy of the pages lets them load nothing.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

use super::escaped;

/// Light modules around it (ISO/IEC 18004 section 6.3.8).
const QUIET: usize = 4;
/// The size of a module on the screen, in pixels.
const MODULE: usize = 5;

/// The picture of a text; `None` for one that is too long. Dark on light whatever the colours of the page are: cameras expect that.
pub(super) fn picture(text: &str, label: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let side = code.width() + 2 * QUIET;
    let mut dark = String::new();
    for (y, row) in code.to_colors().chunks(code.width()).enumerate() {
        for (x, _) in row.iter().enumerate().filter(|(_, module)| **module == Color::Dark) {
            // Writing to a String cannot fail.
            let _ = write!(dark, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
        }
    }
    let (pixels, label) = (side * MODULE, escaped(label));
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{label}\" width=\"{pixels}\" height=\"{pixels}\" \
         viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\n<rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>\n\
         <path d=\"{dark}\" fill=\"#000\"/>\n</svg>\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_picture_with_its_corners_and_one_that_is_too_long_is_none() {
        let drawn = picture("otpauth://totp/x", "A \"key\"").unwrap();
        assert!(drawn.contains("aria-label=\"A &quot;key&quot;\""), "{drawn}");
        // A finder pattern begins in three corners and in none but those.
        let width = 25;
        for (x, y, is_dark) in [(0, 0, true), (6, 0, true), (7, 0, false), (0, width - 1, true), (width - 1, 0, true)] {
            assert_eq!(drawn.contains(&format!("M{} {}h1", x + QUIET, y + QUIET)), is_dark, "{x} {y}");
        }
        assert_eq!(picture(&"x".repeat(4_000), ""), None);
    }
}
