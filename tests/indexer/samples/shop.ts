import type { Config } from "./config";
import Store, { open } from "../store";

export interface Priced extends Named {
  price: number;
  discount(rate: number): Money;
}

export type Id = string | number;

enum Status { Open, Closed }

/** Keeps orders. */
export abstract class Repository<T> extends Base<T> implements Priced, Closable {
  private store: Store;
  constructor(private readonly config: Config) { super(); }

  find(id: Id): Promise<T> {
    const found: Row = this.store.get<Row>(id);
    return convert(found as Row);
  }
}

export function connect(url: string): Store {
  const store = open(url);
  return new Store(url);
}

declare module "legacy" {}
namespace Util { export const half = (n: number): number => n / 2; }
