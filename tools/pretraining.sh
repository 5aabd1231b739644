#!/bin/sh
# What a pre-training by QPT's contrast is good for (the table in LOG.md): MobileNetV2 is pre-trained on
# BIQ2021's photos without their scores; lite and QPT's score model then start from it and from ImageNet's
# weights, by the same recipes, with three seeds; lite on a fifth of the contents, too (124 of 900 photos), with
# ladders of all distortions, and with each of BIQ2021's three subsets held out. Two suspected causes where it
# does not help: too few steps (a fifth of the contents, the head four times and the last blocks twice as
# long); and a pre-training that went too far (a start half the way, by halfway.py, with Python).
#
#   tools/pretraining.sh BIQ2021 MOBILENET OUT
#
# BIQ2021 is the whole release's folder, MOBILENET the file that lite.toml names. The pre-training learns from
# the 8,574 photos of recipes/biq2021-content-split.csv's train part; scores are those of the 1,500 photos in
# recipes/biq2021-papers-split.csv, and of all of `val` and `test` where models are measured at the end.
# Stopped and called again it goes on.
set -eu
[ $# = 3 ] || {
    echo "usage: tools/pretraining.sh BIQ2021 MOBILENET OUT" >&2
    exit 2
}
root=$1 mobilenet=$2 out=$3
here=$(cd "$(dirname "$0")/.." && pwd)
biqa=${BIQA:-$here/target/release/biqa}
whole=$here/recipes/biq2021-content-split.csv few=$here/recipes/biq2021-papers-split.csv
for needed in "$root/Images" "$mobilenet" "$biqa"; do
    [ -e "$needed" ] || {
        echo "$needed is not there (biqa is built by: cargo build --release)" >&2
        exit 2
    }
done
mkdir -p "$out"
set -- --dataset biq2021 --root "$root" --content "file:$few"

# The lists of a split: learnt from and chosen on without subset $1, tested on it alone.
without() {
    awk -F, -v held="$1" 'FNR == NR { few[$1]; next }
    $1 in few && ($4 == held) == ($3 == "test") && FNR > 1 {
        list[$3] = list[$3] sep[$3] "\"" $1 "\""; sep[$3] = ","
    } END {
        printf "{\"train\":[%s],\"val\":[%s],\"test\":[%s]}\n", list["train"], list["val"], list["test"]
    }' "$few" "$whole" >"$out/without-$1.json"
}

# One run that goes on where it stopped: its folder, the command.
run() {
    run=$1 list=$2
    shift 2
    [ -e "$run/$list" ] && set -- "$@" --resume
    "$biqa" "$@" --out "$run" >>"$run.log" 2>&1 || {
        echo "$run failed: see $run.log" >&2
        exit 1
    }
}

for part in train val; do
    awk -F, -v part=$part -v root="$root" '$3 == part { print root "/" $1 }' "$whole" >"$out/$part.txt"
done
run "$out/pre" recipe.toml pretrain "$here/recipes/qpt-pretrain-mobilenet.toml" "$@" \
    --images "@$out/train.txt" --held-out "@$out/val.txt" --init "$mobilenet"

# lite.toml without the digest of its start; with ladders of all distortions; with more epochs.
sed '/^sha256/d' "$here/recipes/lite.toml" >"$out/lite.toml"
sed 's/^copies = {/copies = { distortions = "all",/' "$out/lite.toml" >"$out/lite-all.toml"
sed 's/^epochs = 16/epochs = 64/; s/^epochs = 7/epochs = 14/' "$out/lite.toml" >"$out/lite-long.toml"
pre=$out/pre/backbone.safetensors
python3 "$here/tools/halfway.py" "$mobilenet" "$pre" "$out/half.safetensors"
for subset in ss01 ss02 ss03; do
    without $subset
done

# Recipe $1 from $2 with three seeds into $out/$3, with what else stands there.
seeds() {
    recipe=$1 from=$2 name=$3
    shift 3
    run "$out/$name" plan.json protocol "$recipe" "$@" --split official --splits 3 --init "$from"
}
for start in imagenet pre; do
    [ $start = pre ] && from=$pre || from=$mobilenet
    seeds "$out/lite.toml" "$from" lite-$start "$@"
    seeds "$out/lite.toml" "$from" lite-$start-20 "$@" --fractions 0.2 --fraction-of train
    seeds "$out/lite-long.toml" "$from" lite-$start-20-long "$@" --fractions 0.2 --fraction-of train
    seeds "$out/lite-all.toml" "$from" lite-$start-ladders "$@"
    seeds "$here/recipes/qpt-mobilenet-tiny.toml" "$from" qpt-$start "$@"
    for subset in ss01 ss02 ss03; do
        run "$out/lite-$start-without-$subset" plan.json protocol "$out/lite.toml" "$@" --splits 3 \
            --split "file:$out/without-$subset.json" --init "$from"
    done
done
seeds "$out/lite.toml" "$out/half.safetensors" lite-half "$@"

# All models on all photos of `val` and `test`; lite's on degraded ones, too.
mkdir -p "$out/whole" "$out/ladders"
set -- --dataset biq2021 --root "$root" -q
for best in "$out"/*/splits/*-honest*/best.safetensors; do
    split=${best%/best.safetensors}
    name=${split%/splits/*}
    number=${split##*/}
    name=${name##*/}-${number%%-*}
    for part in val test; do
        [ -e "$out/whole/$name-$part/predictions.csv" ] && continue
        "$biqa" evaluate --weights "$best" "$@" --content "file:$whole" --part $part \
            -o "$out/whole/$name-$part" --force >"$out/whole/$name-$part.txt"
    done
    case $name in qpt-* | *-without-*) continue ;; esac
    [ -e "$out/ladders/$name.txt" ] && continue
    "$biqa" evaluate --weights "$best" "$@" --content "file:$few" --part val --ladders 20 >"$out/ladders/$name.part"
    mv "$out/ladders/$name.part" "$out/ladders/$name.txt"
done

# A row a photo, a column a model; a held-out subset's photos by the models that were not trained on it.
set --
for found in "$out"/whole/*/predictions.csv; do
    name=$(basename "${found%-*/predictions.csv}")
    case $name in
    *-without-*) subset=${name#*-without-} && set -- "$@" "$name@${subset%-*}=$found" ;;
    *) set -- "$@" "$name=$found" ;;
    esac
done
"$here/tools/paired.py" join "$out/whole.csv" "$@"
"$biqa" report "$out"/*/honest "$out"/*/honest-0.2 --output "$out/report.html"
