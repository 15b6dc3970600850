//! `hashtext`: Bob Jenkins's lookup3 with PostgreSQL's start, so that a number made of a text, such as an advisory lock's, is the same in
//! both.

/// The hash of bytes.
pub fn text_hash(bytes: &[u8]) -> i32 {
    let length = bytes.len() as u32;
    let start = 0x9E37_79B9_u32.wrapping_add(length).wrapping_add(3_923_095);
    let mut state = [start; 3];
    let (whole, rest) = bytes.as_chunks::<12>();
    for block in whole {
        add(&mut state, block, 0);
        mix(&mut state);
    }
    // The lowest byte of the last word is the length's, which is in the start.
    let mut last = [0; 12];
    last[..rest.len()].copy_from_slice(rest);
    add(&mut state, &last, 8);
    finish(&mut state).cast_signed()
}

fn add(state: &mut [u32; 3], block: &[u8; 12], shift_of_last: u32) {
    let (words, _) = block.as_chunks::<4>();
    for (place, word) in words.iter().enumerate() {
        let shift = if place == 2 { shift_of_last } else { 0 };
        state[place] = state[place].wrapping_add(u32::from_le_bytes(*word) << shift);
    }
}

fn mix(state: &mut [u32; 3]) {
    let [mut a, mut b, mut c] = *state;
    for rotations in [[4, 6, 8], [16, 19, 4]] {
        a = a.wrapping_sub(c) ^ c.rotate_left(rotations[0]);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(rotations[1]);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(rotations[2]);
        b = b.wrapping_add(a);
    }
    *state = [a, b, c];
}

fn finish(state: &mut [u32; 3]) -> u32 {
    let [mut a, mut b, mut c] = *state;
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_postgresqls() {
        for (text, wanted) in
            [("", -1_477_818_771), ("abc", -785_388_649), ("hello world, this is long", -1_137_652_777)]
        {
            assert_eq!(text_hash(text.as_bytes()), wanted, "{text}");
        }
    }
}
