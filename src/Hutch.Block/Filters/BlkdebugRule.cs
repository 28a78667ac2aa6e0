namespace Hutch.Block.Filters;

/// <summary>What kinds of requests a rule lets fail.</summary>
internal enum BlkdebugRequest
{
    /// <summary>A read.</summary>
    Read,

    /// <summary>A write.</summary>
    Write,

    /// <summary>A write of zeroes.</summary>
    WriteZeroes,

    /// <summary>A discard.</summary>
    Discard,

    /// <summary>A flush.</summary>
    Flush,

    /// <summary>A question for extents.</summary>
    BlockStatus,
}

/// <summary>A rule of <see cref="BlkdebugNode"/>: on an event, in a state, something happens.</summary>
/// <param name="Event">The event's name; "none" is always in effect.</param>
/// <param name="State">The state that it holds in; 0 is any.</param>
internal abstract record BlkdebugRule(string Event, int State);

/// <summary>Requests fail from the event on.</summary>
/// <param name="Event">As in <see cref="BlkdebugRule"/>.</param>
/// <param name="State">As in <see cref="BlkdebugRule"/>.</param>
/// <param name="Errno">The error.</param>
/// <param name="Offset">Only requests that touch this byte; -1 all.</param>
/// <param name="Once">Only the first.</param>
/// <param name="Request">Only requests of this kind; null all that do something.</param>
internal sealed record BlkdebugInjection(string Event, int State, int Errno, long Offset, bool Once, BlkdebugRequest? Request) : BlkdebugRule(Event, State);

/// <summary>The event changes the state.</summary>
/// <param name="Event">As in <see cref="BlkdebugRule"/>.</param>
/// <param name="State">As in <see cref="BlkdebugRule"/>.</param>
/// <param name="NewState">The state afterwards.</param>
internal sealed record BlkdebugTransition(string Event, int State, int NewState) : BlkdebugRule(Event, State);

/// <summary>The request that raises the event waits until it is resumed.</summary>
/// <param name="Event">As in <see cref="BlkdebugRule"/>.</param>
/// <param name="State">As in <see cref="BlkdebugRule"/>.</param>
/// <param name="Tag">The name that it is resumed by.</param>
internal sealed record BlkdebugBreakpoint(string Event, int State, string Tag) : BlkdebugRule(Event, State);
