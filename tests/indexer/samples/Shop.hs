module Shop (open, Shop(..)) where

import Data.List (sortBy, nub)
import qualified Data.Map as Map
import Store

-- | Keeps the orders.
data Shop = Shop { store :: Store, name :: String }

newtype Id = Id Int

type Orders = [Order]

class Named a where
  nameOf :: a -> String

instance Named Shop where
  nameOf shop = name shop

-- | Makes a shop.
open :: FilePath -> IO Shop
open path = do
  s <- openStore path
  putStrLn "open (x)"
  return (Shop s (Map.lookup path s))
