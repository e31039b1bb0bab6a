//! EDN numbers as JSON, one spelling for each value: `0x10`, `020`, `2r10000` and `16N` are 16, `2/4` is `1/2`.

use crate::{json, number};

/// An EDN number as JSON: integers (N, hexadecimal, octal, in another base), decimals (M) and exponents; a ratio that is no
/// whole number becomes a string. What is written in another base and has more than 128 bits stays as it is written, as
/// a string, and a ratio of such numbers is not reduced. None: this is not a number.
pub(crate) fn number(word: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(word).ok()?;
    let text = text.strip_prefix('+').unwrap_or(text);
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    if let Some((over, under)) = digits.split_once('/') {
        return ratio(sign, over, under);
    }
    let whole = digits.strip_suffix('N').unwrap_or(digits);
    if let Some((base, digits)) = other_base(whole) {
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
            return None;
        }
        let value = u128::from_str_radix(digits, base).ok();
        return Some(value.map_or_else(|| format!("\"{text}\""), |value| signed(sign, value)).into_bytes());
    }
    let text = text.strip_suffix(['N', 'M']).unwrap_or(text);
    let text = text.strip_suffix('.').unwrap_or(text);
    match json::parse(text.as_bytes()) {
        Ok(json::Value::Integer(_) | json::Value::Number(_)) => {
            let mut out = Vec::new();
            number::canonical(text.as_bytes(), &mut out);
            Some(out)
        }
        _ => None,
    }
}

/// The base and the digits of `0x1F`, `037` and `36rZ`, as Clojure reads them.
fn other_base(digits: &str) -> Option<(u32, &str)> {
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return Some((16, hex));
    }
    if let Some((base, digits)) = digits.split_once(['r', 'R']) {
        return Some((base.parse().ok().filter(|base| (2..=36).contains(base))?, digits));
    }
    let octal = digits.strip_prefix('0').filter(|rest| !rest.is_empty())?;
    octal.bytes().all(|byte| byte.is_ascii_digit()).then_some((8, octal))
}

fn ratio(sign: &str, over: &str, under: &str) -> Option<Vec<u8>> {
    let is_whole = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_whole(over) || !is_whole(under) {
        return None;
    }
    let text = match (over.parse::<u128>(), under.parse::<u128>()) {
        (Ok(over), Ok(under)) if under > 0 => {
            let common = divisor(over, under);
            match (over / common, under / common) {
                (over, 1) => signed(sign, over),
                (over, under) => format!("\"{sign}{over}/{under}\""),
            }
        }
        _ => format!("\"{sign}{over}/{under}\""),
    };
    Some(text.into_bytes())
}

fn signed(sign: &str, value: u128) -> String {
    if value == 0 {
        "0".into()
    } else {
        format!("{sign}{value}")
    }
}

fn divisor(mut one: u128, mut other: u128) -> u128 {
    while other > 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn equal_numbers_have_one_spelling() {
        for (spellings, expected) in [
            (&["16", "16N", "+16", "0x10", "0X10N", "020", "2r10000", "32/2", "16.0M", "1.6e1"][..], "16"),
            (&["-35", "-36rZ", "-0x23", "-043", "-70/2"], "-35"),
            (&["0", "-0", "00", "0x0", "0/7", "-0N"], "0"),
            (&["1/2", "2/4", "50/100", "+3/6"], "\"1/2\""),
            (&["-1/2", "-2/4"], "\"-1/2\""),
            (&["0xffffffffffffffff"], "18446744073709551615"),
            (&["1/0"], "\"1/0\""),
        ] {
            for spelling in spellings {
                let found = number(spelling.as_bytes()).map(|found| String::from_utf8(found).unwrap());
                assert_eq!(found.as_deref(), Some(expected), "{spelling}");
            }
        }
    }

    #[test]
    fn what_is_none_is_refused_and_what_is_huge_is_bounded() {
        for none in
            ["08", "0x", "0xg", "1r0", "37r1", "r1", "1/", "/2", "6/-3", "1N2", "1MN", "2r12", "0x1/2"]
        {
            assert_eq!(number(none.as_bytes()), None, "{none}");
        }
        let huge = format!("0x{}", "f".repeat(1 << 20));
        assert_eq!(number(huge.as_bytes()).map(|found| found.len()), Some(huge.len() + 2));
        let ratio = format!("{}/3", "3".repeat(1 << 20));
        assert_eq!(number(ratio.as_bytes()).map(|found| found.len()), Some(ratio.len() + 2));
    }
}
