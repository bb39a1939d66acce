# gnuplot -e "csv='...'; png='...'; ranks='64 256'" plot.gp
#
# One picture per collective and number of ranks: simulated times as points, the model as lines.
set datafile separator ','
collectives = 'allreduce broadcast reduce_scatter allgather'
n = words(ranks)
set terminal pngcairo size 560 * words(collectives), 420 * n
set output png
set multiplot layout n, words(collectives)
set logscale x 2
set logscale y 10
set format x '%.0b%B'
set grid
set key left top samplen 1
set xlabel 'bytes'
set ylabel 'us'
do for [i = 1:n] {
    do for [collective in collectives] {
        p = word(ranks, i)
        rows = sprintf("awk -F, '$1 == %s && $2 == \"%s\" { print $3 }' %s | awk '!seen[$0]++'", p, collective, csv)
        algorithms = system(rows)
        set title sprintf('%s, %s ranks: simulated (points), model (lines)', collective, p) noenhanced
        pick(a, c) = sprintf("< awk -F, '$1 == %s && $2 == \"%s\" && $3 == \"%s\"' %s", p, collective, a, csv)
        plot for [k = 1:words(algorithms)] pick(word(algorithms, k), collective) \
                using 4:6 with lines lc k dt 2 notitle, \
            for [k = 1:words(algorithms)] pick(word(algorithms, k), collective) \
                using 4:5 with points lc k pt k title word(algorithms, k) noenhanced
    }
}
unset multiplot
