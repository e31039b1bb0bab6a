//! One spelling for each number: 1.50 and 1.5, 100 and 1e2, 1 and 1.0 are the same value.

/// Numbers that are not whole and begin behind this many zeros are written with an exponent.
const ZEROS_MAX: i64 = 6;

/// Append the canonical spelling of a number that keeps JSON's grammar and is in the range of a float or an integer.
///
/// Whole numbers become integers, others lose the zeros at their end. Compared is the decimal number, exactly: no float
/// is in between.
pub(crate) fn canonical(number: &[u8], out: &mut Vec<u8>) {
    if is_canonical_integer(number) {
        out.extend_from_slice(number);
        return;
    }
    let (negative, number) = number.strip_prefix(b"-").map_or((false, number), |rest| (true, rest));
    let mark = number.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(number.len());
    let exponent = number.get(mark + 1..).map_or(0, exponent);
    let mantissa = &number[..mark];
    let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let mut digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    // The value is 0.digits times ten to the power of `scale`.
    let mut scale = (point as i64).saturating_add(exponent);
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    digits.drain(..zeros);
    scale -= zeros as i64;
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    if digits.is_empty() {
        out.push(b'0');
        return;
    }
    if negative {
        out.push(b'-');
    }
    let length = digits.len() as i64;
    if scale >= length {
        out.extend_from_slice(&digits);
        out.resize(out.len() + (scale - length) as usize, b'0');
    } else if scale > 0 {
        out.extend_from_slice(&digits[..scale as usize]);
        out.push(b'.');
        out.extend_from_slice(&digits[scale as usize..]);
    } else if scale > -ZEROS_MAX {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-scale) as usize, b'0');
        out.extend_from_slice(&digits);
    } else {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(format!("e{}", scale - 1).as_bytes());
    }
}

fn is_canonical_integer(number: &[u8]) -> bool {
    number != b"-0" && number.iter().all(|byte| matches!(byte, b'-' | b'0'..=b'9'))
}

/// The exponent; what is out of any range stays far out of range.
fn exponent(text: &[u8]) -> i64 {
    const FAR: i64 = 1 << 40;
    let negative = text.first() == Some(&b'-');
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    let value = digits.fold(0i64, |value, &digit| (value * 10 + i64::from(digit - b'0')).min(FAR));
    if negative {
        -value
    } else {
        value
    }
}

/// Nanoseconds of a time in seconds, given as a canonical number; None beyond 64 bits. Rounded down.
pub(crate) fn nanoseconds(seconds: &[u8]) -> Option<i64> {
    if let Some(whole) = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<i64>().ok()) {
        return whole.checked_mul(1_000_000_000);
    }
    let text = std::str::from_utf8(seconds).ok()?;
    if text.contains('e') {
        // Less than a microsecond: a float is exact enough.
        #[allow(clippy::cast_possible_truncation)]
        return text.parse::<f64>().ok().map(|value| (value * 1e9).floor() as i64);
    }
    let (whole, part) = text.split_once('.')?;
    let mut nanoseconds = 0i64;
    for place in 0..9 {
        nanoseconds =
            nanoseconds * 10 + part.as_bytes().get(place).map_or(0, |digit| i64::from(digit - b'0'));
    }
    let negative = whole.starts_with('-');
    let whole = whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?;
    if negative {
        whole.checked_sub(nanoseconds)
    } else {
        whole.checked_add(nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_have_one_spelling() {
        for (spellings, expected) in [
            (&["1", "1.0", "1.00", "10e-1", "0.1e1", "1E+0"][..], "1"),
            (&["100", "1e2", "1.0e2", "100.0", "1000e-1"], "100"),
            (&["1.5", "1.50", "15e-1", "0.15e1"], "1.5"),
            (&["0", "-0", "0.0", "-0.000", "0e5", "0e-999999999999"], "0"),
            (&["-2.5", "-25e-1"], "-2.5"),
            (&["0.001", "1e-3", "0.0010"], "0.001"),
            (&["1.5e-12", "0.0000000000015"], "1.5e-12"),
            (
                &["123456789012345678901234567890", "12345678901234567890123456789e1"],
                "123456789012345678901234567890",
            ),
        ] {
            for spelling in spellings {
                let mut out = Vec::new();
                canonical(spelling.as_bytes(), &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{spelling}");
            }
        }
    }

    #[test]
    fn the_canonical_spelling_is_a_fixed_point_and_the_same_number() {
        for text in ["1e308", "5e-324", "0.1", "1234.5678e3", "-1.25e-7", "9007199254740993.5", "2.50e-5"] {
            let (mut once, mut twice) = (Vec::new(), Vec::new());
            canonical(text.as_bytes(), &mut once);
            canonical(&once, &mut twice);
            assert_eq!(once, twice);
            let number: f64 = String::from_utf8(once).unwrap().parse().unwrap();
            assert_eq!(number.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        }
    }

    #[test]
    fn seconds_become_nanoseconds() {
        for (seconds, expected) in [
            ("1", Some(1_000_000_000)),
            ("0.25", Some(250_000_000)),
            ("1700000000.123456789", Some(1_700_000_000_123_456_789)),
            ("-0.5", Some(-500_000_000)),
            ("1e-9", Some(1)),
            ("99999999999999999999", None),
            ("1700000000123456.5", None),
        ] {
            assert_eq!(nanoseconds(seconds.as_bytes()), expected, "{seconds}");
        }
    }
}
