package example.schoolbell;

import com.google.type.Date;
import com.google.type.Money;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.LocalDate;
import java.util.regex.Pattern;

/** Values of the contract, made from Java's own. */
public final class Values {
    private static final Pattern AMOUNT = Pattern.compile("[+-]?[0-9]{1,18}(?:\\.[0-9]{1,9})?");
    private static final int MOST_DIGITS = 18; // before the point
    private static final int NANOS = 9; // digits after the point

    private Values() {}

    /**
     * Returns a day as the contract has it.
     *
     * @param day the day
     * @return the date
     */
    public static Date date(LocalDate day) {
        return Date.newBuilder()
            .setYear(day.getYear()).setMonth(day.getMonthValue()).setDay(day.getDayOfMonth()).build();
    }

    /**
     * Returns the amount that a decimal text names, exactly.
     *
     * @param amount such as {@code -4.35}
     * @param currencyCode such as {@code USD}; empty is the district's currency
     * @return the amount
     * @throws IllegalArgumentException where the text is no amount, or has more than 18 digits before the
     *     point or 9 after it
     */
    public static Money money(String amount, String currencyCode) {
        if (!AMOUNT.matcher(amount).matches()) {
            throw new IllegalArgumentException("\"" + amount + "\" is no amount: write it such as -4.35");
        }
        return money(new BigDecimal(amount), currencyCode);
    }

    /**
     * Returns an amount as the contract has it, exactly.
     *
     * @param amount with at most 18 digits before the point and 9 after it
     * @param currencyCode such as {@code USD}; empty is the district's currency
     * @return the amount
     * @throws IllegalArgumentException where it has more digits
     */
    public static Money money(BigDecimal amount, String currencyCode) {
        BigDecimal plain = amount.stripTrailingZeros();
        if ((long) plain.precision() - plain.scale() > MOST_DIGITS || plain.scale() > NANOS) {
            throw new IllegalArgumentException(amount + " has more than 18 digits before the point or 9 after it");
        }
        BigDecimal units = plain.setScale(0, RoundingMode.DOWN);
        BigDecimal nanos = plain.subtract(units).movePointRight(NANOS);
        return Money.newBuilder()
            .setCurrencyCode(currencyCode).setUnits(units.longValueExact()).setNanos(nanos.intValueExact()).build();
    }
}
