import React, { useState as useIt, memo } from "react";
import * as path from "node:path";
const fs = require("fs");
export { Cart } from "./cart.js";

const LIMIT = 10;

/** A thing in the shop. */
export class Item extends Base {
  #stock = 0;

  constructor(name) {
    super(name);
    this.store = new Store(name);
  }

  // Price with tax.
  async price(rate = 0.2) {
    const gross = await this.store.lookup(`item ${this.name.trim()} (x)`);
    return gross * (1 + rate);
  }
}

// Adds two numbers.
export const add = (a, b) => a + b;

function* each(items) {
  for (const item of items) yield format(item);
}

const handlers = { onClick() { return add(1, 2); } };
