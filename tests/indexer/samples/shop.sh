#!/usr/bin/env bash
source ./lib.sh
. "config.sh"

LIMIT=10
readonly NAME="shop (x)"

# Finds an order.
find_order() {
  local id="$1"
  echo "found $(format "$id")"
  lookup "$id" | sort
}

function total {
  find_order "$LIMIT"
}

total
