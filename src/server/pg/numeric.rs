//! Exact numbers in PostgreSQL's binary form: groups of four decimal digits, a weight, a sign, a scale.

/// The sign of a negative number.
const NEGATIVE: u16 = 0x4000;
/// Not a number, and the two infinities.
const SPECIAL: u16 = 0xC000;

/// Appends a number given in decimal digits; `None` where it is none or too long.
pub(super) fn write(out: &mut Vec<u8>, digits: &str) -> Option<()> {
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !(whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let scale = u16::try_from(fraction.len()).ok()?;
    // Both parts in whole groups, counted from the point.
    let lead = (4 - whole.len() % 4) % 4;
    let trail = (4 - fraction.len() % 4) % 4;
    let padded = format!("{}{whole}{fraction}{}", "0".repeat(lead), "0".repeat(trail));
    let mut groups: Vec<u16> = padded
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
        .collect();
    let mut weight = i16::try_from((whole.len() + lead) / 4).ok()? - 1;
    let first = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..first);
    weight -= i16::try_from(first).ok()?;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let sign = if negative && !groups.is_empty() { NEGATIVE } else { 0 };
    out.extend_from_slice(&u16::try_from(groups.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    groups.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
    Some(())
}

/// The number of these bytes in decimal digits; `None` where they are none.
pub(super) fn read(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight, sign, scale) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let groups: Vec<u16> = words.collect();
    if !bytes.len().is_multiple_of(2) || groups.len() != usize::from(count) {
        return None;
    }
    if sign & SPECIAL == SPECIAL {
        return Some("NaN".to_owned());
    }
    let weight = weight.cast_signed();
    // Beyond this no number of ours is exact, and the text would be long.
    if !(-1000..1000).contains(&weight) || scale > 4000 || groups.iter().any(|group| *group > 9999)
    {
        return None;
    }
    let at = |place: i16| {
        let index = i32::from(weight) - i32::from(place);
        usize::try_from(index).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };
    let mut out = String::new();
    if sign == NEGATIVE {
        out.push('-');
    }
    let mut whole = String::new();
    for place in (0..=weight.max(0)).rev() {
        whole.push_str(&format!("{:04}", at(place)));
    }
    let whole = whole.trim_start_matches('0');
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let mut fraction = String::new();
        let mut place = -1;
        while fraction.len() < usize::from(scale) {
            fraction.push_str(&format!("{:04}", at(place)));
            place -= 1;
        }
        out.push('.');
        out.push_str(&fraction[..usize::from(scale)]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn numbers_come_back() {
        for digits in [
            "0",
            "1",
            "-1",
            "10000",
            "12345.678",
            "0.0001",
            "-0.05",
            "18446744073709551615",
            "100.00",
        ] {
            let mut bytes = Vec::new();
            write(&mut bytes, digits).expect("a number");
            assert_eq!(read(&bytes).as_deref(), Some(digits));
        }
    }

    #[test]
    fn the_form_is_postgresqls() {
        let mut bytes = Vec::new();
        write(&mut bytes, "12345.6").expect("a number");
        assert_eq!(bytes, [0, 3, 0, 1, 0, 0, 0, 1, 0, 1, 0x09, 0x29, 0x17, 0x70]);
        assert_eq!(read(b"\0\x01"), None);
        assert_eq!(read(&[0, 9, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(write(&mut Vec::new(), "1e5"), None);
    }
}
