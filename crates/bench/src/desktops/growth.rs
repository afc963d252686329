//! How a figure grows with the number of desktops: the straight line through what was measured, by which the rest is reckoned.

/// The line `at_zero + slope * x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StraightLine {
    /// Its value where there is nothing.
    pub at_zero: f64,
    /// By how much it grows with each.
    pub slope: f64,
}

impl StraightLine {
    /// That of the least squares; none through fewer than two places.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        let (x, y) = (points.iter().map(|(x, _)| x).sum::<f64>(), points.iter().map(|(_, y)| y).sum::<f64>());
        let (x, y) = (x / count, y / count);
        let spread: f64 = points.iter().map(|(at, _)| (at - x).powi(2)).sum();
        if spread > 0.0 {
            let slope = points.iter().map(|(at, value)| (at - x) * (value - y)).sum::<f64>() / spread;
            Some(Self { at_zero: y - slope * x, slope })
        } else {
            None
        }
    }

    /// Its value there.
    pub fn at(self, x: f64) -> f64 {
        self.at_zero + self.slope * x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_between_its_points_and_on() {
        let line = StraightLine::through(&[(10.0, 21.0), (20.0, 39.0), (30.0, 61.0), (40.0, 79.0)]).unwrap();
        assert!((line.slope - 1.96).abs() < 1e-9 && (line.at_zero - 1.0).abs() < 1e-9, "{line:?}");
        assert!((line.at(1_000.0) - 1_961.0).abs() < 1e-6);
        let none: [&[(f64, f64)]; 3] = [&[], &[(5.0, 1.0)], &[(5.0, 1.0), (5.0, 2.0)]];
        assert!(none.into_iter().all(|points| StraightLine::through(points).is_none()));
    }
}
