#!/usr/bin/env bash
# Experiments of the paper on a machine with a GPU, for so many minutes; the records in a tar file.
#
#     scripts/on_gpu.sh 9 OUT "denoise --scale paper" "inpaint --scale best" ...
#
# Three at once: on a GPU a fit takes seconds, and the compilation of one for a new size keeps a
# dozen cores busy for half a minute; the flags leave out some of the search for the quickest kernels
# (all of it must not be: a step took more than a second). The seconds in the records are those of a
# shared GPU. Finished pictures are kept, so that the next call goes on: unpack OUT/records.tgz,
# which has the new ones, into scripts/results.
set -u
seconds=$((60 * $1)) out=$(realpath "$2")
shift 2
cd "$(dirname "$0")/.." || exit
begin=$(mktemp)

export PYTHONPATH=.${PYTHONPATH:+:$PYTHONPATH} XLA_PYTHON_CLIENT_PREALLOCATE=false
export XLA_FLAGS=${XLA_FLAGS:---xla_gpu_autotune_level=2 --xla_gpu_enable_triton_gemm=false}
printf '%s\0' "$@" | timeout "$seconds" xargs -0 -P 3 -I{} \
    sh -c 'python3 scripts/reproduce.py {} --quiet'
status=$?
cd scripts/results && find . -name '*.json' -newer "$begin" -print0 |
    tar czf "$out/records.tgz" --null -T -
exit $status  # 124 where the time was over
