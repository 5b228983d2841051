require "json"
require_relative "store"

# Things for sale.
module Shop
  LIMIT = 10

  # Keeps the orders.
  class Order < Base
    include Printable
    attr_reader :lines

    def initialize(store)
      @store = Store.new(store)
    end

    # Adds up.
    def total(rate = 0.2)
      puts "total #{@store.name(1)} (x)"
      lines.sum { |line| line.price } * rate
    end

    def self.load(path)
      new(JSON.parse(File.read(path)))
    end
  end
end
