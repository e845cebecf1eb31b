/* SPDX-License-Identifier: MIT
 *
 * One of the units that scripts/bench-symbolize makes its large binary of: templates, inlined
 * calls, some 280 KB of debug information for 11 KB of code. Each copy has another number for 0000.
 */
#include <algorithm>
#include <numeric>
#include <vector>

namespace unit_0000
{

template <int N> struct item {
    long weight[N + 2];
    bool operator<(const item &o) const
    {
        return weight[0] < o.weight[N];
    }
};

template <int N> struct shelf {
    std::vector<item<N>> items;

    long fill(long n)
    {
        for (long i = 0; i < n; i++) {
            items.push_back(item<N>{{i, n}});
        }
        std::sort(items.begin(), items.end());
        std::stable_sort(items.begin(), items.end(),
                         [](const item<N> &a, const item<N> &b) { return b < a; });
        return std::accumulate(items.begin(), items.end(), n,
                               [](long s, const item<N> &it) { return s * N + it.weight[0]; });
    }
};

long entry(long n);
long entry(long n)
{
    return shelf<0>().fill(n) + shelf<1>().fill(n);
}

} // namespace unit_0000
