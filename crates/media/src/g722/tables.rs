//! The Recommendation's tables.

/// Decision levels of the lower band's 60-level quantiser, in 1/4096 of the step (Q6).
pub const DECISION_LOW: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1_023, 1_121, 1_219, 1_339,
    1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
];

/// Index of each interval for negative differences (ILN).
pub const INDEX_NEGATIVE: [u8; 30] =
    [63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4];

/// Index of each interval for positive differences (ILP).
pub const INDEX_POSITIVE: [u8; 30] = [
    61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33,
    32,
];

/// Output levels of the lower band by its four upper bits, in 1/32768 of the step (QM4).
pub const LEVEL_4: [i32; 16] =
    [0, -20_456, -12_896, -8_968, -6_288, -4_240, -2_584, -1_200, 20_456, 12_896, 8_968, 6_288, 4_240, 2_584, 1_200, 0];

/// Output levels of the lower band by all six bits (QM6).
pub const LEVEL_6: [i32; 64] = [
    -136, -136, -136, -136, -24_808, -21_904, -19_008, -16_704, -14_984, -13_512, -12_280, -11_192, -10_232, -9_360,
    -8_576, -7_856, -7_192, -6_576, -6_000, -5_456, -4_944, -4_464, -4_008, -3_576, -3_168, -2_776, -2_400, -2_032,
    -1_688, -1_360, -1_040, -728, 24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9_360, 8_576,
    7_856, 7_192, 6_576, 6_000, 5_456, 4_944, 4_464, 4_008, 3_576, 3_168, 2_776, 2_400, 2_032, 1_688, 1_360, 1_040,
    728, 432, 136, -432, -136,
];

/// Output levels of the upper band (QM2).
pub const LEVEL_HIGH: [i32; 4] = [-7_408, -1_616, 7_408, 1_616];

/// Significands of the steps (ILB).
pub const SIGNIFICAND: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656, 2_714, 2_774, 2_834,
    2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520, 3_597, 3_676, 3_756, 3_838, 3_922, 4_008,
];

/// The filter that splits and joins the bands: every other coefficient, the rest is its mirror image.
pub const FILTER: [i32; 12] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];

/// How the lower band's step grows after an index of four bits (WL by RL42).
pub fn growth_low(index: usize) -> i32 {
    const GROWTH: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1_198, 3_042];
    const RANK: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
    RANK.get(index).and_then(|rank| GROWTH.get(*rank)).copied().unwrap_or_default()
}

/// How the upper band's step grows after an index (WH by RH2).
pub fn growth_high(index: usize) -> i32 {
    if index.is_multiple_of(2) { 798 } else { -214 }
}
