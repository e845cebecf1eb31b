/* SPDX-License-Identifier: MIT
 * A C++ program for test/unwind/truth_walks.py: exceptions thrown through many frames, virtual
 * calls, sorting with callbacks, trees, streams and locales, alloca, a realigned stack, a coroutine
 * on a stack of its own, two threads. Prints a checksum that depends on nothing but its argument.
 */
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <ucontext.h>
#include <vector>

namespace
{

struct Random {
    uint64_t state;
    uint64_t operator()()
    {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    }
};

struct Node {
    virtual ~Node() = default;
    virtual int64_t value() const = 0;
};
struct Leaf : Node {
    int64_t v;
    explicit Leaf(int64_t x) : v(x)
    {
    }
    int64_t value() const override
    {
        return v;
    }
};
struct Sum : Node {
    std::unique_ptr<Node> a, b;
    int64_t value() const override
    {
        return a->value() + b->value();
    }
};
struct Guarded : Node {
    std::unique_ptr<Node> inner;
    int64_t limit = 0;
    int64_t value() const override
    {
        int64_t v = inner->value();
        if (v > limit) {
            throw std::range_error("above " + std::to_string(limit));
        }
        return v;
    }
};

std::unique_ptr<Node> grow(Random &random, int depth)
{
    if (depth == 0) {
        return std::make_unique<Leaf>(static_cast<int64_t>(random() % 100));
    }
    if (random() % 16 == 0) {
        auto g = std::make_unique<Guarded>();
        g->inner = grow(random, depth - 1);
        g->limit = static_cast<int64_t>(random() % 400) << (depth / 2);
        return g;
    }
    auto s = std::make_unique<Sum>();
    s->a = grow(random, depth - 1);
    s->b = grow(random, depth - 1);
    return s;
}

int64_t evaluate(const Node &n)
{
    try {
        return n.value();
    } catch (const std::range_error &e) {
        return static_cast<int64_t>(std::strlen(e.what()));
    }
}

__attribute__((noinline)) int64_t nested_throw(int depth)
{
    std::string local(static_cast<size_t>(depth) + 20, 'x');
    if (depth == 0) {
        throw std::runtime_error(local);
    }
    return nested_throw(depth - 1) + static_cast<int64_t>(local.size());
}

int64_t trees(Random &random)
{
    int64_t sum = 0;
    for (int i = 0; i < 12; i++) {
        sum += evaluate(*grow(random, 9));
        try {
            sum += random() % 4 ? 1 : nested_throw(static_cast<int>(random() % 30));
        } catch (const std::exception &e) {
            sum += static_cast<int64_t>(std::strlen(e.what()));
        }
    }
    return sum;
}

int by_low_bits(const void *a, const void *b)
{
    auto x = *static_cast<const uint64_t *>(a) & 0xffff;
    auto y = *static_cast<const uint64_t *>(b) & 0xffff;
    return (x > y) - (x < y);
}

int64_t sorting(Random &random)
{
    std::vector<uint64_t> v(4000);
    std::generate(v.begin(), v.end(), std::ref(random));
    std::function<bool(uint64_t, uint64_t)> by_high = [](uint64_t a, uint64_t b) {
        return a >> 20 < b >> 20;
    };
    std::sort(v.begin(), v.end(), by_high);
    auto sum = static_cast<int64_t>(v[v.size() / 2] >> 40);
    std::vector<std::string> words;
    for (size_t i = 0; i < 600; i++) {
        words.push_back(std::to_string(v[i] % 100003));
    }
    std::stable_sort(words.begin(), words.end());
    std::qsort(v.data(), v.size(), sizeof v[0], by_low_bits);
    return sum + static_cast<int64_t>(v[7] & 0xffff) + std::stol(words[words.size() / 3]);
}

int64_t maps_and_streams(Random &random)
{
    std::map<std::string, int64_t> m;
    std::ostringstream out;
    for (int i = 0; i < 400; i++) {
        out.str("");
        out << "key " << random() % 200 << ' ' << static_cast<double>(random() % 1000) / 8;
        m[out.str()] += i;
    }
    return std::accumulate(m.begin(), m.end(), int64_t{0},
                           [](int64_t s, const auto &e) { return s + e.second % 97; });
}

/* The frame's CFA comes out of an expression or of rbp: alloca and an alignment above 16. */
__attribute__((noinline)) int64_t odd_frames(Random &random, size_t n)
{
    alignas(64) volatile char aligned[128];
    auto *varying = static_cast<char *>(__builtin_alloca(n));
    std::memset(varying, static_cast<int>(random() & 0x7f), n);
    aligned[n % 128] = varying[n / 2];
    int64_t sum = aligned[n % 128];
    for (size_t i = 0; i < n; i++) {
        sum += varying[i] ^ static_cast<char>(i & 0x7f);
    }
    return n > 64 ? sum + odd_frames(random, n - 64) : sum;
}

ucontext_t here, there;
int64_t coroutine_sum;

void coroutine()
{
    Random random{99};
    for (;;) {
        std::string s;
        for (int i = 0; i < 40; i++) {
            s += std::to_string(random() % 1000);
        }
        coroutine_sum += static_cast<int64_t>(s.size());
        swapcontext(&there, &here);
    }
}

int64_t work(uint64_t seed, int rounds)
{
    Random random{seed};
    int64_t sum = 0;
    for (int i = 0; i < rounds; i++) {
        sum += trees(random) + sorting(random) + maps_and_streams(random);
        for (int k = 0; k < 20; k++) {
            sum += odd_frames(random, 500);
        }
    }
    return sum;
}

} // namespace

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? std::atoi(argv[1]) : 100;
    std::vector<char> stack(64 << 10);
    getcontext(&there);
    there.uc_stack.ss_sp = stack.data();
    there.uc_stack.ss_size = stack.size();
    makecontext(&there, coroutine, 0);
    int64_t results[2] = {};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; i++) {
        threads.emplace_back(
            [&results, i, rounds] { results[i] = work(static_cast<uint64_t>(i) + 2, rounds / 4); });
    }
    int64_t sum = 0;
    for (int i = 0; i < rounds; i++) {
        sum += work(static_cast<uint64_t>(i) + 10, 1);
        for (int k = 0; k < 50; k++) {
            swapcontext(&here, &there);
        }
    }
    for (auto &t : threads) {
        t.join();
    }
    std::printf("%lld\n", static_cast<long long>(sum + coroutine_sum + results[0] + results[1]));
    return 0;
}
