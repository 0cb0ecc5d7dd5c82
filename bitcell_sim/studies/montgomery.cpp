// A chain of Montgomery products in the base field of BN254, as bitcell_sim/kernels/montgomery.py does it, with the
// compiler's own 128-bit integers. Arguments: value and factor (four limbs each, lowest first), multiplications, repeats.
// The last product's limbs go to standard output, the best wall-clock and processor seconds to standard error.
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

using Limb = std::uint64_t;
__extension__ typedef unsigned __int128 Wide;

constexpr Limb P0 = 0x3c208c16d87cfd47, P1 = 0x97816a916871ca8d, P2 = 0xb85045b68181585d, P3 = 0x30644e72e131a029;
constexpr Limb MINUS_P_INVERSE = 0x87d20782e4866389;

struct Number {
    Limb l0, l1, l2, l3;
};

static inline Limb multiply_add(Limb a, Limb b, Limb c, Limb& carry) {
    const Wide total = static_cast<Wide>(a) * b + c + carry;
    carry = static_cast<Limb>(total >> 64);
    return static_cast<Limb>(total);
}

static inline Limb subtract(Limb a, Limb b, Limb& borrow) {
    const Wide total = static_cast<Wide>(a) - b - borrow;
    borrow = static_cast<Limb>(total >> 64) & 1;
    return static_cast<Limb>(total);
}

static inline Number row(const Number& a, Limb b, Number t) {
    Limb carry = 0, reduced = 0;
    t.l0 = multiply_add(a.l0, b, t.l0, carry);
    const Limb m = t.l0 * MINUS_P_INVERSE;
    multiply_add(m, P0, t.l0, reduced);
    t.l1 = multiply_add(a.l1, b, t.l1, carry);
    t.l0 = multiply_add(m, P1, t.l1, reduced);
    t.l2 = multiply_add(a.l2, b, t.l2, carry);
    t.l1 = multiply_add(m, P2, t.l2, reduced);
    t.l3 = multiply_add(a.l3, b, t.l3, carry);
    t.l2 = multiply_add(m, P3, t.l3, reduced);
    t.l3 = carry + reduced;
    return t;
}

static inline Number product(const Number& a, const Number& b) {
    const Number t = row(a, b.l3, row(a, b.l2, row(a, b.l1, row(a, b.l0, Number{0, 0, 0, 0}))));
    Limb borrow = 0;
    const Limb s0 = subtract(t.l0, P0, borrow), s1 = subtract(t.l1, P1, borrow);
    const Limb s2 = subtract(t.l2, P2, borrow), s3 = subtract(t.l3, P3, borrow);
    if (borrow) return t;
    return Number{s0, s1, s2, s3};
}

int main(int argc, char** argv) {
    if (argc != 11) return 64;
    Limb limbs[8];
    for (int i = 0; i < 8; ++i) limbs[i] = std::strtoull(argv[i + 1], nullptr, 10);
    const long count = std::atol(argv[9]), repeats = std::atol(argv[10]);
    const Number factor{limbs[4], limbs[5], limbs[6], limbs[7]};
    Number value{};
    double wall = 1e300, processor = 1e300;
    for (long repeat = 0; repeat < repeats; ++repeat) {
        value = Number{limbs[0], limbs[1], limbs[2], limbs[3]};
        const auto start = std::chrono::steady_clock::now();
        const std::clock_t ticks = std::clock();
        for (long i = 0; i < count; ++i) value = product(value, factor);
        const double used = static_cast<double>(std::clock() - ticks) / CLOCKS_PER_SEC;
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        if (taken.count() < wall) wall = taken.count();
        if (used < processor) processor = used;
    }
    std::printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", value.l0, value.l1, value.l2, value.l3);
    std::fprintf(stderr, "%.9f %.9f\n", wall, processor);
    return 0;
}
