//! Numbers and times as text, written straight into a buffer.

use std::io::Write;

use super::calendar::{DAY, date};

pub fn whole(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

fn two(out: &mut Vec<u8>, value: u8) {
    out.extend_from_slice(&[b'0' + value / 10, b'0' + value % 10]);
}

/// `2019-01-31 23:59:59`
pub fn time(out: &mut Vec<u8>, seconds: i64) {
    let (year, month, day) = date(seconds);
    whole(out, year);
    out.push(b'-');
    two(out, month);
    out.push(b'-');
    two(out, day);
    let second = seconds.rem_euclid(DAY);
    for (mark, part) in [(b' ', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.push(mark);
        two(out, part as u8);
    }
}

/// Hundredths with as few digits as can be: `17.05`, `0.5`, `12`.
pub fn shortest(out: &mut Vec<u8>, cents: i64) {
    if cents < 0 {
        out.push(b'-');
    }
    let cents = cents.abs();
    whole(out, cents / 100);
    let rest = (cents % 100) as u8;
    if rest != 0 {
        out.extend_from_slice(&[b'.', b'0' + rest / 10]);
        if !rest.is_multiple_of(10) {
            out.push(b'0' + rest % 10);
        }
    }
}

/// Hundredths with two decimals and no leading zero: `1.60`, `.50`, `.00`.
pub fn two_decimals(out: &mut Vec<u8>, cents: i64) {
    if cents < 0 {
        out.push(b'-');
    }
    let cents = cents.abs();
    if cents >= 100 {
        whole(out, cents / 100);
    }
    out.push(b'.');
    two(out, (cents % 100) as u8);
}

/// C's `%.17g`: `2.6299999999999999`, `0.5`, `-73.993896484375`.
pub fn seventeen(out: &mut Vec<u8>, value: f64) {
    if value == 0.0 {
        out.push(b'0');
        return;
    }
    let decimals = (16 - value.abs().log10().floor() as i32).max(0) as usize;
    let _ = write!(out, "{value:.decimals$}");
    while out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn seventeen_digits_are_those_of_the_old_files() {
        for (value, expected) in [
            (2.63, "2.6299999999999999"),
            (-73.991_957, "-73.991956999999999"),
            (40.721_567, "40.721567"),
            (8.9, "8.9000000000000004"),
            (0.6, "0.59999999999999998"),
            (0.11, "0.11"),
            (45.0, "45"),
            (58.15, "58.149999999999999"),
            (f64::from(-73.993_9_f32), "-73.993896484375"),
            (f64::from(40.750_11_f32), "40.750110626220703"),
            (0.0, "0"),
        ] {
            assert_eq!(text(|out| seventeen(out, value)), expected);
        }
    }

    #[test]
    fn hundredths_are_those_of_the_later_files() {
        for (cents, short, two) in [
            (1705, "17.05", "17.05"),
            (50, "0.5", ".50"),
            (1200, "12", "12.00"),
            (0, "0", ".00"),
            (-450, "-4.5", "-4.50"),
            (-7, "-0.07", "-.07"),
        ] {
            assert_eq!(text(|out| shortest(out, cents)), short);
            assert_eq!(text(|out| two_decimals(out, cents)), two);
        }
    }

    #[test]
    fn times_have_no_zone_and_no_fraction() {
        assert_eq!(text(|out| time(out, 1_546_300_799)), "2018-12-31 23:59:59");
        assert_eq!(text(|out| time(out, 33_113_664_000)), "3019-05-02 00:00:00");
    }
}
