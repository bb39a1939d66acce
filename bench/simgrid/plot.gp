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
        rows = sprintf("awk -F, '($1 == %s || !%%d) && $2 == \"%s\" && !seen[$3]++ { print $3 }' %s", p, collective, csv)
        algorithms = system(sprintf(rows, 1))
        every = system(sprintf(rows, 0)) # for any number of ranks: an algorithm has one colour
        number(a) = (sum [j = 1:words(every)] (word(every, j) eq a ? j : 0))
        set title sprintf('%s, %s ranks: simulated (points), model (lines)', collective, p) noenhanced
        pick(a, c) = sprintf("< awk -F, '$1 == %s && $2 == \"%s\" && $3 == \"%s\"' %s", p, collective, a, csv)
        plot for [k = 1:words(algorithms)] pick(word(algorithms, k), collective) \
                using 4:6 with lines lc number(word(algorithms, k)) dt 2 notitle, \
            for [k = 1:words(algorithms)] pick(word(algorithms, k), collective) \
                using 4:5 with points lc number(word(algorithms, k)) pt number(word(algorithms, k)) title word(algorithms, k) noenhanced
    }
}
unset multiplot
