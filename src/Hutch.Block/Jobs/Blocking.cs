using System.Threading.Tasks;

namespace Hutch.Block.Jobs;

/// <summary>Waits for requests on a thread that a job owns: it has nothing else to do.</summary>
public static class Blocking
{
    /// <summary>Returns when the request is complete; throws what it throws.</summary>
    public static void Wait(ValueTask request)
    {
        if (request.IsCompleted) request.GetAwaiter().GetResult();
        else request.AsTask().GetAwaiter().GetResult();
    }

    /// <summary>Returns the request's result; throws what it throws.</summary>
    public static T Wait<T>(ValueTask<T> request) => request.IsCompleted ? request.GetAwaiter().GetResult() : request.AsTask().GetAwaiter().GetResult();
}
