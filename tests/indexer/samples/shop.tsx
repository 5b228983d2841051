import React, { useState } from "react";
import { Item } from "./item";

type Props = { items: Item[]; title: string };

/** Shows a list of items. */
export function List({ items, title }: Props): JSX.Element {
  const [open, setOpen] = useState<boolean>(false);
  return (
    <section onClick={() => setOpen(!open)}>
      <h1>{format(title)}</h1>
      {items.map((item) => <Row key={item.id} item={item} />)}
    </section>
  );
}

export const Row: React.FC<{ item: Item }> = ({ item }) => <li>{item.name}</li>;
