#!/bin/sh
# Trains and compares the papers' methods by their tiny recipes (the table in LOG.md): on the photos of
# BIQ2021 that LABELS lists (path, score, content, split), three seeds a method, one an ablation or a
# suspected cause (the last three).
#
#   tools/papers.sh ROOT LABELS VIT_TINY OUT [N]
#
# ROOT is BIQ2021's folder, VIT_TINY the file that the recipes name. N trainings run at once (default
# 1), each on one thread. Seeds begin at 1 (docs/results says why). Stopped and called again it goes on.
set -eu
root=$1 labels=$2 vit=$3 out=$4 jobs=${5:-1}
here=$(cd "$(dirname "$0")/.." && pwd)
biqa=${BIQA:-$here/target/release/biqa}
mkdir -p "$out"

# Name, recipe, seeds, start, what is set otherwise.
runs() {
    cat <<'END'
deiqt deiqt-tiny 3 vit
csiqa csiqa-tiny 3 vit
lmliqa lmliqa-tiny 3 vit
glintiqa glintiqa-tiny 3 vit
deiqt-random deiqt-tiny-random 3 none
csfiqa csfiqa-tiny 3 none
qpt qpt-tiny 3 none
csiqa-no-contrast csiqa-tiny 1 vit options.contrast.enabled=false
csiqa-no-mask csiqa-tiny 1 vit options.mask.enabled=false
lmliqa-no-contrast lmliqa-tiny 1 vit options.lambda_con=0.0
lmliqa-no-mutual lmliqa-tiny 1 vit options.lambda_mut=0.0
csfiqa-no-contrast csfiqa-tiny 1 none options.lambda_scl=0.0
csfiqa-no-attention csfiqa-tiny 1 none config.sfa=false
csfiqa-no-concentrator csfiqa-tiny 1 none config.ic="none"
glintiqa-plain-cwsa glintiqa-tiny 1 vit config."cwsa.reinterpret"=false
deiqt-no-panel deiqt-tiny 1 vit config.panel=1
csiqa-weak-contrast csiqa-tiny 1 vit options.contrast.weight=0.001
csiqa-strong-contrast csiqa-tiny 1 vit options.contrast.weight=0.1
lmliqa-four-crops lmliqa-tiny 1 vit options.n_crops=4 train.batch=4
END
}

one() {
    name=$1 recipe=$2 seeds=$3 start=$4
    shift 4
    sets=$*
    set -- "$here/recipes/$recipe.toml" --dataset biq2021 --root "$root" \
        --content "file:$labels" --partial --split official --seed 1 --splits "$seeds" -j 1 \
        --out "$out/$name"
    [ "$start" = vit ] && set -- "$@" --init "$vit"
    for set in $sets; do set -- "$@" --set "$set"; done
    [ -e "$out/$name/plan.json" ] && set -- "$@" --resume
    "$biqa" protocol "$@" >>"$out/$name.log" 2>&1 || echo "$name failed: see $out/$name.log" >&2
}

if [ "${6:-}" ]; then # called by xargs below, with a line
    one $6
    exit
fi
# By NUL, for xargs takes quotes away elsewhere.
runs | tr '\n' '\0' | xargs -0 -P "$jobs" -I {} "$0" "$root" "$labels" "$vit" "$out" "$jobs" {}
"$biqa" report "$out"/*/honest --output "$out/report.html"
