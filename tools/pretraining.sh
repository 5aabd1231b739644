#!/bin/sh
# What a pre-training by QPT's contrast is good for (the table in LOG.md): MobileNetV2 is pre-trained on
# BIQ2021's photos without their scores; lite and QPT's score model then start from it and from
# ImageNet's weights, by the same recipes: all of the labels and a fifth, three seeds; with ladders of all
# distortions; and with each of BIQ2021's three subsets held out.
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
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; if (at["path"] && at["split"] && at["subset"]) next
            print "LABELS has no columns path, split, subset" >"/dev/stderr"; exit 1 }
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

listed "$root" >"$out/here.txt"
listed "$photos" >"$out/photos.txt"
for part in train val; do
    while read -r of _ path; do
        if [ "$of" = $part ]; then printf '%s\n' "$photos/$path"; fi
    done <"$out/photos.txt" >"$out/$part.txt"
done
run "$out/pre" recipe.toml pretrain "$here/recipes/qpt-pretrain-mobilenet.toml" "$@" \
    --images "@$out/train.txt" --held-out "@$out/val.txt" --init "$mobilenet"

# lite.toml without the digest of its start, and with ladders of all distortions.
sed '/^sha256/d' "$here/recipes/lite.toml" >"$out/lite.toml"
sed 's/^copies = {/copies = { distortions = "all",/' "$out/lite.toml" >"$out/lite-all.toml"
i=0
for subset in ss01 ss02 ss03; do
    without $i $subset
    i=$((i + 1))
done
seeds="--split official --splits 3"
for start in imagenet pre; do
    [ $start = pre ] && from=$out/pre/backbone.safetensors || from=$mobilenet
    # shellcheck disable=SC2086
    run "$out/lite-$start" plan.json protocol "$out/lite.toml" "$@" $seeds --init "$from"
    # shellcheck disable=SC2086
    run "$out/lite-$start-20" plan.json protocol "$out/lite.toml" "$@" $seeds --init "$from" \
        --fractions 0.2 --fraction-of train
    # shellcheck disable=SC2086
    run "$out/lite-$start-ladders" plan.json protocol "$out/lite-all.toml" "$@" $seeds --init "$from"
    run "$out/lite-$start-subsets" plan.json protocol "$out/lite.toml" "$@" --init "$from" \
        --split "file:$out/without-{index}.json" --splits 3
    # shellcheck disable=SC2086
    run "$out/qpt-$start" plan.json protocol "$here/recipes/qpt-mobilenet-tiny.toml" "$@" $seeds \
        --init "$from"
done
"$biqa" report "$out"/*/honest "$out"/*/honest-0.2 --output "$out/report.html"
