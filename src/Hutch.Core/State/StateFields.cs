using System;
using System.Numerics;

namespace Hutch.Core.State;

/// <summary>
/// The fields of one part of the machine, passing out of it or into it: the part names each field once, in one method for both directions
/// (<see cref="IStateUnit.Exchange"/>). A restored value is not trusted: widths and lengths are checked here, and what the part needs to hold besides it
/// checks itself with <see cref="Require"/>. Used by one thread, while the machine stands still.
/// </summary>
public abstract class StateFields
{
    private protected StateFields(string owner) => Owner = owner;

    /// <summary>Whose fields these are, for errors: <c>com1</c>, <c>platform/pit</c>.</summary>
    public string Owner { get; }

    /// <summary>True: values pass from the saved state into the machine.</summary>
    public abstract bool IsRestoring { get; }

    /// <summary>An unsigned number.</summary>
    public void Value<T>(string name, ref T value) where T : unmanaged, IUnsignedNumber<T>, IMinMaxValue<T>
    {
        ulong number = ulong.CreateTruncating(value);
        Number(name, ref number);
        if (!IsRestoring) return;
        Require(number <= ulong.CreateTruncating(T.MaxValue), name);
        value = T.CreateTruncating(number);
    }

    /// <summary>A signed number of the range <paramref name="least"/> to <paramref name="most"/>.</summary>
    public void Value(string name, ref int value, int least, int most)
    {
        long number = value;
        Value(name, ref number, least, most);
        value = (int)number;
    }

    /// <summary>As above, of 64 bits.</summary>
    public void Value(string name, ref long value, long least, long most)
    {
        ulong number = (ulong)value;
        Number(name, ref number);
        if (!IsRestoring) return;
        Require((long)number >= least && (long)number <= most, name);
        value = (long)number;
    }

    /// <summary>A truth value.</summary>
    public void Value(string name, ref bool value)
    {
        ulong number = value ? 1UL : 0;
        Number(name, ref number);
        if (!IsRestoring) return;
        Require(number <= 1, name);
        value = number != 0;
    }

    /// <summary>Bytes of a fixed number.</summary>
    public abstract void Bytes(string name, Span<byte> value);

    /// <summary>Bytes of a number that is part of the state. Returns the restored ones, or <paramref name="value"/>.</summary>
    /// <param name="name">Name of the field.</param>
    /// <param name="value">What to save.</param>
    /// <param name="most">The most that can be restored.</param>
    public abstract byte[] Blob(string name, byte[] value, int most);

    /// <summary>Numbers of a fixed count.</summary>
    public abstract void Numbers(string name, Span<ulong> value);

    /// <summary>Numbers of a fixed count.</summary>
    public void Numbers(string name, Span<uint> value)
    {
        ulong[] wide = new ulong[value.Length];
        for (int i = 0; i < wide.Length; i++) wide[i] = value[i];
        Numbers(name, wide);
        for (int i = 0; i < wide.Length; i++)
        {
            Require(wide[i] <= uint.MaxValue, name);
            value[i] = (uint)wide[i];
        }
    }

    /// <summary>Fields of a part of the part.</summary>
    public abstract void Group(string name, Action<StateFields> exchange);

    /// <summary>Whether the state has the field: false only for one that was saved before the field was invented.</summary>
    public abstract bool Has(string name);

    /// <summary>Throws <see cref="StateException"/> when a restored value makes no sense.</summary>
    public void Require(bool sound, string name)
    {
        if (!sound) throw new StateException($"The saved state of {Owner} is damaged: '{name}' has a value that it cannot have.");
    }

    private protected abstract void Number(string name, ref ulong value);
}
