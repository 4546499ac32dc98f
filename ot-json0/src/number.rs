//! Reads decimal numbers as the doubles that are nearest to them.
//!
//! `str::parse` gives the same, sooner, but with the help of a table of 10 kB that does not pack, and
//! that every browser would download. Here the rare number for which plain arithmetic may round
//! wrongly is compared exactly, in large integers.

use std::cmp::Ordering;

/// Up to this power of ten (and its inverse), and up to 2^53, one operation on doubles is exact.
const EXACT_POWER: i64 = 22;
/// As many digits as a `u64` always holds.
const LEADING: usize = 19;
/// More digits than any number has that lies between two doubles exactly; of what follows, only
/// whether there is anything matters.
const SIGNIFICANT: usize = 800;
const INFINITY: u64 = f64::INFINITY.to_bits();

/// The double nearest to a number written with digits, and where need be a sign, a point and an
/// exponent. Nothing where it is not.
pub(crate) fn read_number(text: &[u8]) -> Option<f64> {
    let (negative, text) = signed(text);
    let end = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (number, exponent) = text.split_at(end.unwrap_or(text.len()));
    let exponent = match exponent {
        [] => 0,
        [_, digits @ ..] => read_exponent(digits)?,
    };
    let point = number.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = number.split_at(point.unwrap_or(number.len()));
    let fraction = fraction.get(1..).unwrap_or_default();
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let power = exponent.saturating_sub(fraction.len() as i64);
    let magnitude = nearest(&digits[zeros..], power);
    Some(if negative { -magnitude } else { magnitude })
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// An exponent; one that is out of all bounds is cut to what is.
fn read_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = signed(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0i64, |size, digit| {
        size.saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    Some(if negative { -size } else { size })
}

/// The double nearest to `digits` times ten to the `power`; the first digit is not zero.
fn nearest(digits: &[u8], power: i64) -> f64 {
    let head = &digits[..digits.len().min(LEADING)];
    let lead = head
        .iter()
        .fold(0u64, |lead, digit| lead * 10 + u64::from(digit - b'0'));
    let lead_power = power.saturating_add((digits.len() - head.len()) as i64);
    if lead == 0 || lead_power < -400 {
        return 0.0;
    }
    if lead_power > 400 {
        return f64::INFINITY;
    }
    let near = scaled(lead as f64, lead_power);
    if head.len() == digits.len() && lead <= 1 << 53 && power.abs() <= EXACT_POWER {
        return near;
    }
    Decimal::new(digits, power).nearest_from(near)
}

/// `number` times ten to the `power`, rounded at each step.
fn scaled(mut number: f64, power: i64) -> f64 {
    let mut left = power.abs();
    while left > 0 {
        let step = left.min(EXACT_POWER);
        let factor = (0..step).fold(1.0, |factor, _| factor * 10.0);
        number = if power < 0 {
            number / factor
        } else {
            number * factor
        };
        left -= step;
    }
    number
}

/// An integer times a power of ten.
struct Decimal {
    integer: Large,
    power: i64,
}

impl Decimal {
    fn new(digits: &[u8], power: i64) -> Self {
        let mut integer = Large(Vec::new());
        let (kept, cut) = digits.split_at(digits.len().min(SIGNIFICANT));
        for digit in kept {
            integer.multiply_add(10, u32::from(digit - b'0'));
        }
        let mut power = power + cut.len() as i64;
        if cut.iter().any(|digit| *digit != b'0') {
            integer.multiply_add(10, 1);
            power -= 1;
        }
        Self { integer, power }
    }

    /// The nearest double, which is few steps away from `near`.
    fn nearest_from(&self, near: f64) -> f64 {
        // Positive doubles are in the order of their bits.
        let mut bits = near.to_bits();
        while bits < INFINITY && self.belongs_above(bits) {
            bits += 1;
        }
        while bits > 0 && !self.belongs_above(bits - 1) {
            bits -= 1;
        }
        f64::from_bits(bits)
    }

    /// Whether this rounds to more than the double of these bits. Of two that are equally near, the
    /// even one is taken.
    fn belongs_above(&self, bits: u64) -> bool {
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, exponent) = match (bits >> 52) as i64 {
            0 => (fraction, -1074),
            biased => (fraction | 1 << 52, biased - 1075),
        };
        match self.compare(2 * mantissa + 1, exponent - 1) {
            Ordering::Less => false,
            Ordering::Equal => mantissa % 2 == 1,
            Ordering::Greater => true,
        }
    }

    /// Compares with `mantissa` times two to the `exponent`.
    fn compare(&self, mantissa: u64, exponent: i64) -> Ordering {
        let mut left = Large(self.integer.0.clone());
        let mut right = Large(vec![mantissa as u32, (mantissa >> 32) as u32]);
        right.trim();
        // Whatever has a negative power goes to the other side.
        let (fives, twos) = (self.power, self.power - exponent);
        (if fives < 0 { &mut right } else { &mut left }).multiply_power_of_5(fives.unsigned_abs());
        (if twos < 0 { &mut right } else { &mut left }).shift(twos.unsigned_abs());
        left.compare(&right)
    }
}

/// An integer of any size, in digits of 32 bits, the lowest first, the highest not zero.
struct Large(Vec<u32>);

impl Large {
    fn multiply_add(&mut self, factor: u32, add: u32) {
        let mut carry = u64::from(add);
        for digit in &mut self.0 {
            carry += u64::from(*digit) * u64::from(factor);
            *digit = carry as u32;
            carry >>= 32;
        }
        self.0.push(carry as u32);
        self.trim();
    }

    fn multiply_power_of_5(&mut self, power: u64) {
        /// The largest that fits.
        const STEP: u64 = 13;
        for _ in 0..power / STEP {
            self.multiply_add(5u32.pow(STEP as u32), 0);
        }
        self.multiply_add(5u32.pow((power % STEP) as u32), 0);
    }

    fn shift(&mut self, bits: u64) {
        self.multiply_add(1 << (bits % 32), 0);
        let zeros = vec![0; (bits / 32) as usize];
        self.0.splice(..0, zeros);
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::read_number;
    use proptest::prelude::*;

    /// The standard library's, which is the same but for words such as "inf".
    fn check(text: &str) {
        let expected = text.parse::<f64>().ok().map(f64::to_bits);
        let found = read_number(text.as_bytes()).map(f64::to_bits);
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_is_hard_to_round_is_rounded() {
        let long = "0".repeat(1000);
        let mut texts: Vec<String> = [
            "0", "-0", "0.1", "0.30000000000000004", "9007199254740993", "9007199254740992.9",
            "1e22", "1e23", "123456789012345678e22", "8.5e-23", "4.9e-324", "2.4703282292062327e-324",
            "2.4703282292062328e-324", "2.2250738585072011e-308", "2.2250738585072014e-308",
            "1.7976931348623157e308", "1.7976931348623158e308", "1.7976931348623159e308",
            "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880",
            "1e309", "1e-400", "1e999999999999999999999", "0e999999999999999999999",
            "1e-999999999999999999999", "6.631236846766476e-316", "5e-324", "1.", ".5", "+7",
        ]
        .map(String::from)
        .into();
        texts.push(format!("9007199254740993{long}e-1000"));
        texts.push(format!("9007199254740993{long}1e-1001"));
        texts.push(format!("0.{long}123e1000"));
        texts.push(format!("1{long}e-1000"));
        for text in texts {
            check(&text);
            check(&format!("-{}", text.trim_start_matches(['-', '+'])));
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "1e5.", "--1", "1e--1", "1x",
        ] {
            check(text);
        }
    }

    proptest! {
        #[test]
        fn every_double_is_read_as_it_is_written(bits in 0..super::INFINITY) {
            let number = f64::from_bits(bits);
            check(&format!("{number:e}"));
            check(&format!("{number:.40e}"));
        }

        #[test]
        fn any_decimal_is_read_as_the_standard_library_does(
            digits in "[0-9]{1,40}(\\.[0-9]{0,40})?",
            power in -400i32..400,
        ) {
            check(&digits);
            check(&format!("{digits}e{power}"));
        }

        #[test]
        fn what_lies_between_two_doubles_goes_to_the_even_one(
            mantissa in 1u128 << 52..1 << 53,
            power in 0u32..32,
        ) {
            let between = 2 * mantissa + 1;
            check(&format!("{}", between << power));
            check(&format!("{}.{}1", between << power, "0".repeat(900)));
            check(&format!("{}e-{power}", between * 5u128.pow(power)));
            check(&format!("{}1e-{}", between * 5u128.pow(power), power + 1));
        }
    }
}
