namespace Hutch.Core.State;

/// <summary>
/// How saved fields are written; all numbers are little-endian. A field is a byte with the length of its name, the name in ASCII, a byte with its kind,
/// 32 bits with the length of its value, the value. A reader looks fields up by name, so that it steps over those that it does not know, and says which
/// one is missing.
/// </summary>
internal static class StateFormat
{
    /// <summary>64 bits.</summary>
    internal const byte Number = 1;

    /// <summary>Bytes.</summary>
    internal const byte Bytes = 2;

    /// <summary>Any number of 64 bits each.</summary>
    internal const byte Numbers = 3;

    /// <summary>Fields.</summary>
    internal const byte Group = 4;

    /// <summary>Groups inside groups, the section itself included.</summary>
    internal const int Deepest = 8;

    /// <summary>Bytes in front of a field's value, without its name.</summary>
    internal const int HeaderBytes = 6;
}
