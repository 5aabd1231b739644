#!/bin/sh
# What a pre-training by QPT's contrast is good for (the table in LOG.md): MobileNetV2 is pre-trained on
# BIQ2021's photos without their scores; lite and QPT's score model then start from it and from ImageNet's
# weights, by the same recipes, with three seeds; lite with a fifth of the labels, too, with ladders of all
# distortions, and with each of BIQ2021's three subsets held out. Two suspected causes where it does not
# help: too few steps (a fifth of the labels, the head four times and the last blocks twice as long); and
# a pre-training that went too far (a start half the way, by halfway.py, with Python).
#
#   tools/pretraining.sh ROOT LABELS MOBILENET OUT [PHOTOS]
#
# ROOT is BIQ2021's folder with the photos that have scores here, LABELS their list (path, score,
# content, split, subset), MOBILENET the file that lite.toml names. PHOTOS [ROOT] is where all of the list's
# photos are: those of its train part are learnt from, up to 48 of its val part are measured on.
# Stopped and called again it goes on.
set -eu
root=$1 labels=$2 mobilenet=$3 out=$4 photos=${5:-$1}
here=$(cd "$(dirname "$0")/.." && pwd)
biqa=${BIQA:-$here/target/release/biqa}
mkdir -p "$out"
set -- --dataset biq2021 --root "$root" --content "file:$labels" --partial

# The photos that are in $1, as "part subset path"; no field of LABELS may be quoted.
listed() {
    tr -d '\r' <"$labels" | awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { print $at["split"], $at["subset"], $at["path"] }' |
        while read -r part subset path; do
            if [ -e "$1/$path" ]; then printf '%s\n' "$part $subset $path"; fi
        done
}

# The lists of split $1: learnt from and chosen on without subset $2, tested on it alone.
without() {
    awk -v held="$2" '{
        part = $1; subset = $2; sub(/^[^ ]* [^ ]* /, "")
        if ((subset == held) == (part == "test")) list[part] = list[part] sep[part] "\"" $0 "\""
        if (list[part]) sep[part] = ","
    } END {
        printf "{\"train\":[%s],\"val\":[%s],\"test\":[%s]}\n", list["train"], list["val"], list["test"]
    }' "$out/here.txt" >"$out/without-$1.json"
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

for column in path split subset; do
    head -1 "$labels" | tr -d '\r' | tr , '\n' | grep -qx $column || {
        echo "$labels has no column $column" >&2
        exit 1
    }
done
listed "$root" >"$out/here.txt"
listed "$photos" >"$out/photos.txt"
for part in train val; do
    while read -r of _ path; do
        if [ "$of" = $part ]; then printf '%s\n' "$photos/$path"; fi
    done <"$out/photos.txt" >"$out/$part.txt"
done
run "$out/pre" recipe.toml pretrain "$here/recipes/qpt-pretrain-mobilenet.toml" "$@" \
    --images "@$out/train.txt" --held-out "@$out/val.txt" --init "$mobilenet"

# lite.toml without the digest of its start; with ladders of all distortions; with more epochs.
sed '/^sha256/d' "$here/recipes/lite.toml" >"$out/lite.toml"
sed 's/^copies = {/copies = { distortions = "all",/' "$out/lite.toml" >"$out/lite-all.toml"
sed 's/^epochs = 16/epochs = 64/; s/^epochs = 7/epochs = 14/' "$out/lite.toml" >"$out/lite-long.toml"
pre=$out/pre/backbone.safetensors
python3 "$here/tools/halfway.py" "$mobilenet" "$pre" "$out/half.safetensors"
i=0
for subset in ss01 ss02 ss03; do
    without $i $subset
    i=$((i + 1))
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
    for seed in 0 1 2; do
        run "$out/lite-$start-subsets-$seed" plan.json protocol "$out/lite.toml" "$@" --init "$from" \
            --split "file:$out/without-{index}.json" --splits 3 --seed $seed
    done
done
seeds "$out/lite.toml" "$out/half.safetensors" lite-half "$@"

# lite's models on all photos of `val` and `test`, and on degraded ones.
mkdir -p "$out/whole" "$out/ladders"
for best in "$out"/lite-*/splits/*-honest*/best.safetensors; do
    split=${best%/best.safetensors}
    name=${split%/splits/*}
    number=${split##*/}
    name=${name##*/}-${number%%-*}
    case $name in *-subsets-*) continue ;; esac
    [ -e "$out/ladders/$name.txt" ] && continue
    for part in val test; do
        "$biqa" evaluate --weights "$best" --dataset biq2021 --root "$photos" --content "file:$labels" \
            --partial --part $part -q -o "$out/whole/$name-$part" --force >"$out/whole/$name-$part.txt"
    done
    "$biqa" evaluate --weights "$best" "$@" --part val --ladders 20 -q >"$out/ladders/$name.part"
    mv "$out/ladders/$name.part" "$out/ladders/$name.txt"
done
"$biqa" report "$out"/*/honest "$out"/*/honest-0.2 --output "$out/report.html"
