#pragma once
#include <cstdint>

namespace grpo {

// Philox4x32-10, the counter-based generator of Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
// The same (key, counter) gives the same four words on every machine.
struct Philox {
  std::uint32_t key[2];

  void block(const std::uint32_t counter[4], std::uint32_t out[4]) const {
    std::uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0, p1 = std::uint64_t{0xCD9E8D57u} * c2;
      const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
      const std::uint32_t n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c1 = static_cast<std::uint32_t>(p1);
      c3 = static_cast<std::uint32_t>(p0);
      c0 = n0;
      c2 = n2;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
  }

  // A number in [0, 1) with 32 random bits, from word 0 of the block.
  double uniform(const std::uint32_t counter[4]) const {
    std::uint32_t out[4];
    block(counter, out);
    return out[0] * (1.0 / 4294967296.0);
  }
};

}  // namespace grpo
