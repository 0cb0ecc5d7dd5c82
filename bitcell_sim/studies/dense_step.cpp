// The dense automaton's rule by plain loops over 16-bit words, row by row, one step a pass: what a compiler makes of it.
// Reads side * side cell bytes from standard input, steps them, writes them back; the seconds that the steps took, by the
// clock and of processor time, on standard error.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <utility>
#include <vector>

using Word = std::uint16_t;
constexpr Word ALIVE = 4096;
constexpr std::uint32_t THIRD = 21846;

static void sum_columns(const Word* above, const Word* here, const Word* below, Word* sums, int columns) {
    for (int x = 0; x < columns; ++x) sums[x] = static_cast<Word>(above[x] + here[x] + below[x]);
}

static void advance_row(const Word* sums, const Word* here, Word* after, int columns) {
    for (int x = 0; x < columns; ++x) {
        const Word total = static_cast<Word>(sums[x] + sums[x + 1] + sums[x + 2]);
        const Word centre = here[x];
        const Word born = static_cast<Word>((static_cast<std::uint32_t>(total) * THIRD) >> 16);
        const Word count = static_cast<Word>(total >> 12);
        const Word kept = centre ? centre : born;
        const Word three = count == 3 ? kept : Word{0};
        after[x] = count == 4 ? centre : three;
    }
}

static void step(const std::vector<Word>& source, std::vector<Word>& target, std::vector<Word>& sums, int side) {
    for (int y = 0; y < side; ++y) {
        const Word* above = &source[static_cast<std::size_t>((y + side - 1) % side) * side];
        const Word* here = &source[static_cast<std::size_t>(y) * side];
        const Word* below = &source[static_cast<std::size_t>((y + 1) % side) * side];
        sum_columns(above, here, below, &sums[1], side);
        sums[0] = sums[side];
        sums[side + 1] = sums[1];
        advance_row(&sums[0], here, &target[static_cast<std::size_t>(y) * side], side);
    }
}

int main(int argc, char** argv) {
    if (argc != 3) return 64;
    const int side = std::atoi(argv[1]), steps = std::atoi(argv[2]);
    const std::size_t cells = static_cast<std::size_t>(side) * side;
    std::vector<std::uint8_t> grid(cells);
    if (std::fread(grid.data(), 1, cells, stdin) != cells) return 65;
    std::vector<Word> source(cells), target(cells), sums(side + 2);
    for (std::size_t i = 0; i < cells; ++i) source[i] = grid[i] ? static_cast<Word>(grid[i] + ALIVE) : Word{0};
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t used = std::clock();
    for (int number = 0; number < steps; ++number) {
        step(source, target, sums, side);
        std::swap(source, target);
    }
    const double cpu = static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC;
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    for (std::size_t i = 0; i < cells; ++i) grid[i] = static_cast<std::uint8_t>(source[i] & 255);
    std::fwrite(grid.data(), 1, cells, stdout);
    std::fprintf(stderr, "%.9f %.9f\n", wall.count(), cpu);
    return 0;
}
